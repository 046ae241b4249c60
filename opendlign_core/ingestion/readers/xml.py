"""XML without document types, so that neither entities nor outside files can be pulled in."""

import codecs
import re

from opendlign_core.ingestion.safety import require

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_MAX_XML_BYTES = 128 << 20


def checked_xml(data: bytes) -> bytes:
    """Return the XML, UTF-16 as UTF-8, if it is plain: of bounded size, without DOCTYPE or ENTITY."""
    require(len(data) <= _MAX_XML_BYTES, f"is {len(data)} bytes of XML; at most {_MAX_XML_BYTES} are accepted")
    if data.startswith(_UTF16):
        data = _DECLARATION.sub("", data.decode("utf-16"), count=1).encode()
    require(b"\x00" not in data, "is XML in a 16-bit encoding without a byte order mark, which is not read")
    require(b"<!DOCTYPE" not in data and b"<!ENTITY" not in data, "declares a document type, which is not accepted")
    require(data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"), "is no XML")
    return data
