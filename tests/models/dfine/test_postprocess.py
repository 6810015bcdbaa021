"""Boxes and logits into detections."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.box_geometry import box_iou, corners
from models.dfine.labels import coco_labels
from models.dfine.postprocess import decode, scores


def logits_for(*labels_and_scores: tuple[int, float]) -> np.ndarray:
    logits = np.full((1, len(labels_and_scores), 80), -9.0)
    for row, (label, score) in enumerate(labels_and_scores):
        logits[0, row, label] = np.log(score / (1 - score))
    return logits


def test_threshold_corners_and_order():
    boxes = np.array([[[0.5, 0.5, 0.2, 0.4], [0.2, 0.2, 0.1, 0.1], [0.8, 0.8, 0.1, 0.1]]])
    found = decode(boxes, logits_for((3, 0.6), (5, 0.9), (7, 0.4)), np.array([17, 4, 9]))
    assert [(d.label, d.token) for d in found] == [(5, 4), (3, 17)]
    np.testing.assert_allclose(found[1].box, (0.4, 0.3, 0.6, 0.7))
    np.testing.assert_allclose(found[0].score, 0.9)


def test_nms_drops_near_copies_of_a_class_only():
    boxes = np.array([[[0.5, 0.5, 0.2, 0.2], [0.505, 0.5, 0.2, 0.2], [0.5, 0.5, 0.2, 0.2], [0.6, 0.5, 0.2, 0.2]]])
    found = decode(boxes, logits_for((1, 0.9), (1, 0.8), (2, 0.7), (1, 0.6)))
    assert [(d.label, round(d.score, 1)) for d in found] == [(1, 0.9), (2, 0.7), (1, 0.6)]


def test_rubbish_gives_no_detection_and_no_error():
    boxes = np.array([[[np.nan, 0.5, 0.1, 0.1], [np.inf, 0, 1, 1], [0.5, 0.5, 0.1, 0.1]]])
    logits = logits_for((1, 0.9), (1, 0.9), (2, 0.9))
    logits[0, 2] = np.nan
    assert decode(boxes, logits) == ()


@given(hnp.arrays(np.float32, 6, elements=st.floats(width=32)))
def test_scores_are_probabilities_whatever_the_logits(logits):
    found = scores(logits)
    assert ((found >= 0) & (found <= 1)).all()


@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(0.01, 1)))
def test_iou_of_a_box_with_itself_is_one_and_iou_is_symmetric(boxes):
    xyxy = corners(boxes)
    iou = box_iou(xyxy[:, None], xyxy[None])
    np.testing.assert_allclose(np.diag(iou), 1)
    np.testing.assert_allclose(iou, iou.T, atol=1e-12)
    assert ((iou >= 0) & (iou <= 1 + 1e-9)).all()


def test_iou_of_inverted_boxes_is_zero():
    assert box_iou(np.array([0.5, 0.5, 0.1, 0.1]), np.array([0.0, 0.0, 1.0, 1.0])) == 0


def test_there_are_80_labels():
    labels = coco_labels()
    assert len(labels) == len(set(labels)) == 80
    assert (labels[0], labels[23], labels[79]) == ("person", "giraffe", "toothbrush")
