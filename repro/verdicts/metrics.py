"""The numbers people quote upstream: Pearson, cosine, PSNR, max, p99, RMSE, ULPs. They gate nothing."""

from __future__ import annotations

import math

import numpy as np

from repro.verdicts.dot import dot


def pearson(reference: np.ndarray, actual: np.ndarray) -> float:
    """Correlation over all elements; NaN where either side is constant or not finite."""
    return _cosine(_centred(reference), _centred(actual))


def cosine(reference: np.ndarray, actual: np.ndarray) -> float:
    """Cosine of the angle between the flattened tensors; NaN where either is zero or not finite."""
    return _cosine(_flat(reference), _flat(actual))


def max_abs(reference: np.ndarray, actual: np.ndarray) -> float:
    """Largest |actual - reference|; NaN or infinity where an element is."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(_flat(actual) - _flat(reference))
    return float(difference.max()) if difference.size else 0.0


def all_metrics(reference: np.ndarray, actual: np.ndarray) -> dict[str, float]:
    """pearson, cosine, psnr (dB, peak = span of the reference), max_abs, p99_abs, rmse, max_ulp (float32 ulps).

    Shapes must be equal. Any dtype; computed in float64. NaN means "not defined here".
    """
    r, a = _flat(reference), _flat(actual)
    if r.size == 0:
        return {}
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        error = np.abs(a - r)
        rmse = _rms(error)
        span = float(r.max() - r.min())
        psnr = 20 * math.log10(span / rmse) if rmse > 0 and span > 0 and math.isfinite(rmse) else math.nan
        ulps = error / np.spacing(np.maximum(np.abs(r), np.finfo(np.float32).tiny).astype(np.float32)).astype(
            np.float64
        )
        return {
            "pearson": pearson(r, a),
            "cosine": cosine(r, a),
            "psnr": math.inf if rmse == 0 else psnr,
            "max_abs": float(error.max()),
            "p99_abs": float(np.quantile(error, 0.99)) if np.isfinite(error).all() else math.nan,
            "rmse": rmse,
            "max_ulp": float(ulps.max()),
        }


def quoted_metrics(reference: np.ndarray, actual: np.ndarray) -> dict[str, float]:
    """Only pearson and max_abs: what every JSON line carries."""
    return {"pearson": pearson(reference, actual), "max_abs": max_abs(reference, actual)}


def _flat(array: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # garbage may be a signalling NaN, which stays a NaN
        return np.asarray(array).astype(np.float64, copy=False).ravel()


def _rms(values: np.ndarray) -> float:
    """Root mean square that does not overflow for values near the largest double."""
    peak = float(np.abs(values).max())
    if peak == 0 or not math.isfinite(peak):
        return peak
    scaled = values / peak
    return peak * math.sqrt(dot(scaled, scaled) / values.size)


def _centred(array: np.ndarray) -> np.ndarray:
    flat = _flat(array)
    with np.errstate(invalid="ignore", over="ignore"):
        return flat - flat.mean() if flat.size else flat


def _cosine(x: np.ndarray, y: np.ndarray) -> float:
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        length_x, length_y = _rms(x) if x.size else 0.0, _rms(y) if y.size else 0.0
        if not (math.isfinite(length_x) and math.isfinite(length_y) and length_x > 0 and length_y > 0):
            return math.nan
        value = dot(x / length_x, y / length_y) / x.size
    return max(-1.0, min(1.0, value))
