"""Dates as locales write them, seen from noon of 2020-03-15 (a Sunday) UTC."""

import datetime
import types

import pytest

from tornado_trio.locale import CSVLocale, dates

NOW = datetime.datetime(2020, 3, 15, 12, 0, 0)
DAY = 86400


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    class Meta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime.datetime)

    class Clock(datetime.datetime, metaclass=Meta):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
            return NOW.replace(tzinfo=tz)

    fake = types.SimpleNamespace(**vars(datetime))
    fake.datetime = Clock
    monkeypatch.setattr(dates, "datetime", fake)


@pytest.fixture
def english() -> CSVLocale:
    return CSVLocale("en_US", {})


@pytest.mark.parametrize(
    ("seconds", "relative", "shorter", "plain"),
    [
        (0, "0 seconds ago", "0 seconds ago", "12:00 pm"),
        (1, "1 second ago", "1 second ago", "11:59 am"),
        (49, "49 seconds ago", "49 seconds ago", "11:59 am"),
        (50, "1 minute ago", "1 minute ago", "11:59 am"),
        (90, "2 minutes ago", "2 minutes ago", "11:58 am"),
        (2999, "50 minutes ago", "50 minutes ago", "11:10 am"),
        (3000, "1 hour ago", "1 hour ago", "11:10 am"),
        (5400, "2 hours ago", "2 hours ago", "10:30 am"),
        (DAY - 1, "24 hours ago", "24 hours ago", "12:00 pm"),
        (DAY, "yesterday at 12:00 pm", "yesterday", "Saturday at 12:00 pm"),
        (2 * DAY, "Friday at 12:00 pm", "Friday", "Friday at 12:00 pm"),
        (4 * DAY, "Wednesday at 12:00 pm", "Wednesday", "Wednesday at 12:00 pm"),
        (5 * DAY, "March 10 at 12:00 pm", "March 10", "March 10 at 12:00 pm"),
        (333 * DAY, "April 17 at 12:00 pm", "April 17", "April 17 at 12:00 pm"),
        (334 * DAY, "April 16, 2019 at 12:00 pm", "April 16, 2019", "April 16, 2019 at 12:00 pm"),
        (-59, "0 seconds ago", "0 seconds ago", "March 15, 2020 at 12:00 pm"),
        (-60, "March 15, 2020 at 12:01 pm", "March 15, 2020", "March 15, 2020 at 12:01 pm"),
        (-DAY - 30, "March 16, 2020 at 12:00 pm", "March 16, 2020", "March 16, 2020 at 12:00 pm"),
    ],
)
def test_format_date(
    english: CSVLocale, seconds: int, relative: str, shorter: str, plain: str
) -> None:
    date = NOW - datetime.timedelta(seconds=seconds)
    assert english.format_date(date) == relative
    assert english.format_date(date.replace(tzinfo=datetime.UTC)) == relative
    assert english.format_date(date, shorter=True) == shorter
    assert english.format_date(date, relative=False) == plain


def test_seconds_since_the_epoch(english: CSVLocale) -> None:
    assert english.format_date(1584273600 - 2) == "2 seconds ago"
    assert english.format_date(1584273600.0 - 120) == "2 minutes ago"


def test_full_format_and_offset(english: CSVLocale) -> None:
    assert english.format_date(NOW, full_format=True) == "March 15, 2020 at 12:00 pm"
    assert english.format_date(NOW, full_format=True, shorter=True) == "March 15, 2020"
    late = NOW - datetime.timedelta(hours=10)
    assert english.format_date(late, 480, full_format=True) == "March 14, 2020 at 6:00 pm"
    # Yesterday is the reader's.
    night = NOW - datetime.timedelta(hours=30)
    assert english.format_date(night, 480) == "Friday at 10:00 pm"


def test_yesterday_across_a_month(english: CSVLocale, monkeypatch: pytest.MonkeyPatch) -> None:
    class First(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
            return datetime.datetime(2020, 3, 1, 12, tzinfo=tz)

    monkeypatch.setattr(dates.datetime, "datetime", First)
    assert english.format_date(datetime.datetime(2020, 2, 29, 11)) == "yesterday at 11:00 am"


@pytest.mark.parametrize(
    ("code", "midnight", "afternoon"),
    [
        ("en_US", "12:00 am", "1:05 pm"),
        ("en", "12:00 am", "1:05 pm"),
        ("en_GB", "0:00", "13:05"),
        ("fr_FR", "0:00", "13:05"),
        ("zh_CN", "上午12:00", "下午1:05"),
    ],
)
def test_hours(code: str, midnight: str, afternoon: str) -> None:
    locale = CSVLocale(code, {})
    day = NOW.replace(hour=0)
    assert locale.format_date(day, full_format=True) == f"March 15, 2020 at {midnight}"
    day = NOW.replace(hour=13, minute=5)
    assert locale.format_date(day, full_format=True) == f"March 15, 2020 at {afternoon}"


def test_format_day(english: CSVLocale) -> None:
    assert english.format_day(NOW) == "Sunday, March 15"
    assert english.format_day(NOW, dow=False) == "March 15"
    assert english.format_day(NOW, gmt_offset=900) == "Saturday, March 14"
    assert english.format_day(NOW, -900, False) == "March 16"


def test_translated() -> None:
    french = CSVLocale(
        "fr_FR",
        {
            "unknown": {"March": "mars", "%(month_name)s %(day)s": "%(day)s %(month_name)s"},
            "plural": {"%(minutes)d minutes ago": "il y a %(minutes)d minutes"},
        },
    )
    assert french.format_day(NOW, dow=False) == "15 mars"
    assert french.format_date(NOW - datetime.timedelta(minutes=5)) == "il y a 5 minutes"
