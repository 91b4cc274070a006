"""Locales: which one is chosen, files of translations, plural forms, lists and numbers."""

import gettext
import logging
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tornado_trio import locale as loc

FR = """\
"I love you","Je t'aime"
"x","xs","plural"
"x","x1","singular"
"y","y?","bogus"

"only"
"z"," Z ","unknown"
"v","V","plural","extra"
"%(commas)s and %(last)s","%(commas)s et %(last)s"
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the process's catalogue back as it was."""
    before = dict(vars(loc.catalogue))
    loc.Locale._cache.clear()
    yield
    vars(loc.catalogue).update(before)
    loc.Locale._cache.clear()


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    (tmp_path / "fr_FR.csv").write_text(FR)
    (tmp_path / "es.csv").write_text('"a","b"')
    (tmp_path / "pt_BR.csv").write_text('"a","c"')
    (tmp_path / "en-GB.csv").write_text('"a","d"')
    (tmp_path / "notes.txt").write_text("nothing")
    loc.load_translations(str(tmp_path))
    return tmp_path


def write_mo(path: Path, messages: dict[str, str]) -> None:
    """A ``.mo`` file, in the format of the gettext manual."""
    path.parent.mkdir(parents=True)
    keys = sorted(key.encode() for key in messages)
    values = [messages[key.decode()].encode() for key in keys]
    table, data = [], b""
    start = 28 + 16 * len(keys)
    for item in [*keys, *values]:
        table.append((len(item), start + len(data)))
        data += item + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(keys), 28, 28 + 8 * len(keys), 0, 0)
    path.write_bytes(head + b"".join(struct.pack("<2I", *entry) for entry in table) + data)


@pytest.mark.parametrize(
    ("codes", "chosen"),
    [
        (("fr_FR",), "fr_FR"),
        (("fr-fr",), "fr_FR"),
        (("FR_fr",), "fr_FR"),
        (("fr",), "en_US"),
        (("fr_CA",), "en_US"),
        (("es",), "es"),
        (("es_MX",), "es"),
        (("ES-mx",), "es"),
        (("xx", "es"), "es"),
        ((None, "", "es"), "es"),
        (("zh_Hans_CN", "pt_br"), "pt_BR"),
        (("_",), "en_US"),
        ((), "en_US"),
    ],
)
def test_closest(csv: Path, codes: tuple[str | None, ...], chosen: str) -> None:
    assert loc.get(*codes).code == chosen
    assert loc.Locale.get_closest(*codes) is loc.Locale.get(chosen)


def test_supported_and_default(csv: Path) -> None:
    assert loc.get_supported_locales() == {"en_US", "es", "fr_FR", "pt_BR"}
    loc.set_default_locale("de_DE")
    assert loc.get_supported_locales() == {"de_DE", "es", "fr_FR", "pt_BR"}
    assert loc.get("zz").code == "de_DE"
    with pytest.raises(AssertionError, match="zz"):
        loc.Locale.get("zz")


def test_names() -> None:
    english = loc.get("en_US")
    assert (english.name, english.rtl) == ("English (US)", False)
    persian = loc.CSVLocale("fa_IR", {})
    assert (persian.name, persian.rtl) == ("فارسی", True)
    assert loc.CSVLocale("zz", {}).name == "Unknown"
    assert len(loc.LOCALE_NAMES) == 62
    assert loc.LOCALE_NAMES["es_LA"] == {"name_en": "Spanish", "name": "Español"}
    assert repr(persian) == "<CSVLocale fa_IR>"


def test_csv_forms(csv: Path) -> None:
    french = loc.get("fr_FR")
    assert isinstance(french, loc.CSVLocale)
    assert french.translate("I love you") == "Je t'aime"
    assert french.translate("x") == "x"
    assert french.translate("x", "xx", 1) == "x1"
    assert french.translate("x", "x", 2) == "xs"
    assert french.translate("nope", "nopes", 0) == "nopes"
    assert french.translate("z") == "Z"
    assert french.translate("v", "v", 3) == "V"
    assert french.translate("y") == "y"
    with pytest.raises(AssertionError):
        french.translate("x", "xx")


def test_csv_faults_are_logged(csv: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        loc.load_translations(str(csv))
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0].startswith("Unrecognized locale 'en-GB' (path: ")
    assert messages[1] == "Unrecognized plural indicator 'bogus' in fr_FR.csv line 4"
    assert {record.name for record in caplog.records} == {"tornado.general"}
    with pytest.raises(FileNotFoundError):
        loc.load_translations(str(csv / "missing"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv_encodings_by_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "fr_FR.csv").write_bytes('"school","école"\n'.encode(encoding))
    loc.load_translations(str(tmp_path))
    assert loc.get("fr_FR").translate("school") == "école"


def test_csv_encoding_given(tmp_path: Path) -> None:
    (tmp_path / "fr_FR.csv").write_bytes('"school","école"\n'.encode("latin-1"))
    loc.load_translations(str(tmp_path), "latin-1")
    assert loc.get("fr_FR").translate("school") == "école"
    with pytest.raises(UnicodeDecodeError):
        loc.load_translations(str(tmp_path))
    # What was loaded before is still there.
    assert loc.get("fr_FR").translate("school") == "école"


def test_loading_again_replaces(csv: Path) -> None:
    before = loc.get("es")
    (csv / "es.csv").write_text('"a","new"')
    loc.load_translations(str(csv))
    assert loc.get("es") is not before
    assert loc.get("es").translate("a") == "new"


def test_csv_has_no_contexts(csv: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert loc.get("en_US").pgettext("law", "right") == "right"
    assert not caplog.records
    assert loc.get("fr_FR").pgettext("c", "I love you") == "Je t'aime"
    assert "pgettext is not supported" in caplog.text


def test_gettext(tmp_path: Path) -> None:
    plural = "nplurals=2; plural=(n > 1);"
    messages = {
        "": f"Content-Type: text/plain; charset=UTF-8\nPlural-Forms: {plural}\n",
        "school": "école",
        "law\x04right": "le droit",
        "good\x04right": "le bien",
        "club\0clubs": "club\0clubs",
        "stick\x04club\0clubs": "le bâton\0les bâtons",
    }
    write_mo(tmp_path / "fr_FR" / "LC_MESSAGES" / "app.mo", messages)
    (tmp_path / "README").write_text("")
    loc.load_gettext_translations(str(tmp_path), "app")
    assert loc.get_supported_locales() == {"en_US", "fr_FR"}
    french = loc.get("fr_FR")
    assert isinstance(french, loc.GettextLocale)
    assert french.translate("school") == "école"
    assert french.translate("nope", "nopes", 1) == "nope"
    assert french.pgettext("law", "right") == "le droit"
    assert french.pgettext("good", "right") == "le bien"
    assert french.pgettext("none", "right") == "right"
    assert french.pgettext("stick", "club", "clubs", 0) == "le bâton"
    assert french.pgettext("stick", "club", "clubs", 2) == "les bâtons"
    assert french.pgettext("none", "club", "clubs", 2) == "clubs"
    # The default locale needs no file.
    assert loc.get("xx").translate("school") == "school"
    assert isinstance(french.gettext("school"), str)
    assert isinstance(gettext.NullTranslations(), gettext.NullTranslations)


def test_gettext_faults(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = tmp_path / "de" / "LC_MESSAGES" / "app.mo"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"not a catalogue at all, but long enough")
    loc.load_gettext_translations(str(tmp_path), "app")
    assert "Cannot load translation for 'de'" in caplog.text
    assert loc.get_supported_locales() == {"en_US"}
    loc.load_gettext_translations(str(tmp_path / "missing"), "app")
    assert "No directory of translations" in caplog.text
    assert "gettext" in repr(loc.catalogue)


def test_base_locale_is_abstract() -> None:
    with pytest.raises(NotImplementedError):
        loc.Locale("en_US")


def test_list(csv: Path) -> None:
    english = loc.get("en_US")
    assert english.list([]) == ""
    assert english.list(["A"]) == "A"
    assert english.list(("A", "B")) == "A and B"
    assert english.list(["A", "B", "C"]) == "A, B and C"
    assert loc.get("fr_FR").list(["A", "B", "C"]) == "A, B et C"
    assert loc.CSVLocale("fa_IR", {}).list(["A", "B", "C"]) == "A و B and C"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (1000, "1,000"), (1234567, "1,234,567"), (-123, "-123")],
)
def test_friendly_number(value: int, text: str) -> None:
    assert loc.get("en_US").friendly_number(value) == text
    assert loc.CSVLocale("fr_FR", {}).friendly_number(value) == str(value)


def test_the_cache_may_be_deleted(csv: Path) -> None:
    del loc.Locale._cache
    assert loc.get("es") is loc.get("es")
    del loc.Locale._cache
    loc.load_translations(str(csv))
    assert loc.get("es").translate("a") == "b"
