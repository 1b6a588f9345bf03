"""What is remembered of uploads may say too much, never too little."""

from contextlib import ExitStack

from ranvier.e2ee.uploaded_names import KEPT_S, NAMES, Remembered, UploadedNames

DEVICE = ("@a:b", "D")


def upload(names: UploadedNames, *uploaded: str, device: tuple[str, str] = DEVICE, now: float = 0) -> set[str] | None:
    """An upload that is committed; what was remembered before."""
    with names.uploading(device, now) as one:
        before = None if one.remembered is None else set(one.remembered.key_ids.get("a", ()))
        one.committed = Remembered(since=now) if one.remembered is None else one.remembered
        one.committed.add("a", uploaded)
    return before


def test_what_has_been_committed_is_remembered() -> None:
    names = UploadedNames()
    assert upload(names, "1") is None
    assert upload(names, "2") == {"1"}
    assert upload(names) == {"1", "2"}
    assert upload(names, device=("@a:b", "E")) is None


def test_after_an_hour_the_database_is_asked() -> None:
    names = UploadedNames()
    upload(names, "1")
    assert upload(names, now=KEPT_S) == {"1"}
    assert upload(names, now=KEPT_S + 1) is None


def test_what_fails_is_forgotten() -> None:
    names = UploadedNames()
    upload(names, "1")
    with names.uploading(DEVICE, 0) as failing:
        assert failing.remembered is not None
        failing.remembered.add("a", ["2"])
    assert upload(names) is None


def test_uploads_that_overlap_rely_on_nothing() -> None:
    names = UploadedNames()
    upload(names, "1")
    with ExitStack() as first, ExitStack() as second:
        one = first.enter_context(names.uploading(DEVICE, 0))
        relied_on = [one.remembered is not None]
        two = second.enter_context(names.uploading(DEVICE, 0))
        relied_on += [one.remembered is not None, two.remembered is not None]
        assert relied_on == [True, False, False]
        two.committed = Remembered({"a": {"1", "2", "3"}})
        second.close()
        one.committed = Remembered({"a": {"1", "2"}})
    assert upload(names) is None
    assert upload(names) == set()


def test_not_too_much_is_remembered() -> None:
    names = UploadedNames()
    for number in range(3):
        upload(names, *(str(n) for n in range(NAMES // 2)), device=("@a:b", str(number)))
    assert upload(names, device=("@a:b", "0")) is None
    assert upload(names, device=("@a:b", "2")) is not None
