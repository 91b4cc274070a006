"""Dates as people say them. Knows a locale only as something that translates.

The English messages here are the keys that translation files of Tornado programs use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from .._util.late import later

if TYPE_CHECKING:
    import datetime
else:
    datetime = later("datetime", globals())

__all__ = ["MONTHS", "WEEKDAYS", "format_date", "format_day"]

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# Locales that count the hours of a day twice to twelve.
_TWELVE_HOURS = frozenset({"en", "en_US", "zh_CN"})


class Translator(Protocol):
    """What is needed of a locale."""

    code: str

    @property
    def _months(self) -> Sequence[str]: ...

    @property
    def _weekdays(self) -> Sequence[str]: ...

    def translate(
        self, message: str, plural_message: str | None = None, count: int | None = None
    ) -> str: ...


def format_date(
    locale: Translator,
    date: int | float | datetime.datetime,
    gmt_offset: int,
    relative: bool,
    shorter: bool,
    full_format: bool,
) -> str:
    """See `Locale.format_date`."""
    if isinstance(date, (int, float)):
        date = datetime.datetime.fromtimestamp(date, datetime.UTC)
    elif date.tzinfo is None:
        date = date.replace(tzinfo=datetime.UTC)
    now = datetime.datetime.now(datetime.UTC)
    if date > now:
        if relative and (date - now).total_seconds() < 60:
            date = now  # clocks differ a little: say "now" rather than a date ahead
        else:
            full_format = True
    age = now - date
    offset = datetime.timedelta(minutes=gmt_offset)
    local = date - offset
    if not full_format and relative and age.days == 0:
        return _ago(locale, age.seconds)
    if full_format:
        pattern = "%(month_name)s %(day)s, %(year)s"
    elif age.days == 0:
        return locale.translate("%(time)s") % {"time": _time(locale, local)}
    elif age.days == 1 and relative and _is_day_before(local, now - offset):
        pattern = "yesterday"
    elif age.days < 5:
        pattern = "%(weekday)s"
    elif age.days < 334:  # eleven months: the same month of another year needs its year
        pattern = "%(month_name)s %(day)s"
    else:
        pattern = "%(month_name)s %(day)s, %(year)s"
    if not shorter:
        pattern += " at %(time)s"
    return locale.translate(pattern) % {
        "month_name": locale._months[local.month - 1],
        "weekday": locale._weekdays[local.weekday()],
        "day": str(local.day),
        "year": str(local.year),
        "time": _time(locale, local),
    }


def format_day(locale: Translator, date: datetime.datetime, gmt_offset: int, dow: bool) -> str:
    """See `Locale.format_day`."""
    local = date - datetime.timedelta(minutes=gmt_offset)
    pattern = "%(weekday)s, %(month_name)s %(day)s" if dow else "%(month_name)s %(day)s"
    return locale.translate(pattern) % {
        "month_name": locale._months[local.month - 1],
        "weekday": locale._weekdays[local.weekday()],
        "day": str(local.day),
    }


def _ago(locale: Translator, seconds: int) -> str:
    """An age under a day. The unit changes at 50, so that "1 minute" follows "49 seconds"."""
    if seconds < 50:
        message = locale.translate("1 second ago", "%(seconds)d seconds ago", seconds)
        return message % {"seconds": seconds}
    if seconds < 50 * 60:
        minutes = round(seconds / 60)
        message = locale.translate("1 minute ago", "%(minutes)d minutes ago", minutes)
        return message % {"minutes": minutes}
    hours = round(seconds / 3600)
    return locale.translate("1 hour ago", "%(hours)d hours ago", hours) % {"hours": hours}


def _is_day_before(local: datetime.datetime, now: datetime.datetime) -> bool:
    return local.date() == now.date() - datetime.timedelta(days=1)


def _time(locale: Translator, local: datetime.datetime) -> str:
    if locale.code not in _TWELVE_HOURS:
        return f"{local.hour}:{local.minute:02}"
    hour = local.hour % 12 or 12
    afternoon = local.hour >= 12
    if locale.code == "zh_CN":
        return f"{'下午' if afternoon else '上午'}{hour}:{local.minute:02}"
    return f"{hour}:{local.minute:02} {'pm' if afternoon else 'am'}"
