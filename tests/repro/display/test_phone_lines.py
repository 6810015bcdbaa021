"""Several phones in lines: each says what is done, and where something is missing why, and the command for it."""

from __future__ import annotations

from dataclasses import replace

from repro.display.phone_lines import PhoneWork, phone_lines

DONE = PhoneWork("adb:SERIAL", "adb:0123456789", "Pixel 8a", 1548, 1548, "", "repro run --target adb:SERIAL")
LOST = replace(DONE, target="adb:OTHER", shown="adb:abcdef0123", done=312, why="device OTHER was lost")


def test_a_phone_that_is_done_is_one_line_and_needs_nothing():
    (text,) = [one.text for one in phone_lines([DONE])]
    assert text == "adb:SERIAL (in results: adb:0123456789), Pixel 8a: 1548 of 1548 runs done"


def test_a_lost_phone_says_what_is_missing_why_and_how_to_go_on():
    lost = replace(LOST, model="", go_on="repro run --target adb:OTHER")
    (text,) = [one.text for one in phone_lines([lost])]
    assert text == (
        "adb:OTHER (in results: adb:abcdef0123): 312 of 1548 runs done, 1236 missing: device OTHER was lost; "
        "go on with: repro run --target adb:OTHER"
    )


def test_phones_of_one_model_and_one_that_came_late_are_named():
    third = replace(DONE, target="adb:THIRD", shown="adb:3333333333", model="Pixel 9")
    texts = [one.text for one in phone_lines([DONE, LOST, third], ["LATE"])]
    assert len(texts) == 5
    assert texts[3] == "2 phones are a Pixel 8a: adb:0123456789, adb:abcdef0123; their results are kept apart"
    assert texts[4] == "adb:LATE came after the start and was not run; the same command runs it"


def test_a_loopback_device_has_one_name():
    (text,) = [one.text for one in phone_lines([replace(DONE, target="adb:loopback", shown="adb:loopback", model="")])]
    assert text == "adb:loopback: 1548 of 1548 runs done"
