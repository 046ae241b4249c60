"""XML without document types, so that neither entities nor outside files can be pulled in."""

from opendlign_core.ingestion.safety import require

_MAX_XML_BYTES = 128 << 20


def checked_xml(data: bytes) -> bytes:
    """Return the XML if it is plain: single-byte encoded, of bounded size, without DOCTYPE or ENTITY."""
    require(len(data) <= _MAX_XML_BYTES, f"is {len(data)} bytes of XML; at most {_MAX_XML_BYTES} are accepted")
    require(b"\x00" not in data, "is XML in a 16-bit encoding, which is not read")
    require(b"<!DOCTYPE" not in data and b"<!ENTITY" not in data, "declares a document type, which is not accepted")
    require(data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"), "is no XML")
    return data
