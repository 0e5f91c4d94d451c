import pytest

from isoscope.errors import DataError
from isoscope.listing import listed


@pytest.fixture
def written(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "list.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a.tif\nsub/b.tif\n", ["a.tif", "sub/b.tif"]),
        ("path\na.tif\n\n  \nb.tif", ["a.tif", "b.tif"]),
        ("\ufeffplate, Input ,note\r\n1,ä b.tif,x\r\n2,,\r\n3,c.tif", ["ä b.tif", "c.tif"]),
        ('image\n"with, comma.tif"\n', ["with, comma.tif"]),
    ],
)
def test_images_are_listed_in_order_beside_the_list(written, text, found):
    path = written(text)
    assert listed(path) == [path.parent / name for name in found]


def test_absolute_paths_stay(written):
    assert str(listed(written("/data/a.tif"))[0]) == "/data/a.tif"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty file"),
        ("path\n", "no image in it"),
        ("plate,well\n1,2\n", "columns plate, well"),
        ("\n \n", "empty"),
    ],
)
def test_what_is_no_list_is_refused(written, text, said):
    with pytest.raises(DataError, match=said) as caught:
        listed(written(text))
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(b"path\n\xff\xfe\x00")
    with pytest.raises(DataError, match="no list"):
        listed(path)
    with pytest.raises(DataError, match="no list"):
        listed(tmp_path / "missing.csv")
