import pytest
import traitlets as t

from mimviz.widgets import LiveWidget, traits


def test_the_types_of_the_front_end_are_up_to_date():
    assert traits.main(["--check"]) == 0, "run python -m mimviz.widgets.traits"


def test_check_fails_on_an_old_file(tmp_path, capsys):
    path = tmp_path / "traits.ts"
    assert traits.main(["--check", "--output", str(path)]) == 1
    assert "out of date" in capsys.readouterr().err
    assert traits.main(["--output", str(path)]) == 0
    assert traits.main(["--check", "--output", str(path)]) == 0
    text = path.read_text()
    for line in (
        "export interface PaintedTraits {",
        "export interface MaskPainterTraits extends PaintedTraits {",
        "  hidden: DataView;",
        "  strategies: string[];",
        "  dragging: boolean;",
    ):
        assert line in text
    assert "layout" not in text


def test_a_trait_without_a_type_is_an_error():
    class Odd(LiveWidget):
        thing = t.Any().tag(sync=True)

    with pytest.raises(TypeError, match="'thing' is a Any"):
        traits._interface(Odd)
