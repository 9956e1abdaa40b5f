"""Pictures take axes and return them, and show what they are given."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb

import faltung
from faltung import FaltungError, draw, kernels


@pytest.fixture
def ax():
    """Give fresh axes and close them."""
    figure, ax = pyplot.subplots()
    yield ax
    pyplot.close(figure)


NO_AXES = replace(faltung.parse("conv k=3").table().rows[0], receptive_field=())
"""The row of an input that has a batch and a channel alone."""


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def colour_at(ax, row: int, column: int) -> tuple[float, ...]:
    """Return the colour that the last picture in the axes has at a place."""
    shown = ax.images[-1]
    return shown.to_rgba(shown.get_array())[row, column][:3]


def test_a_grid_writes_its_numbers(ax):
    """Every number is written into its cell, and windows are framed."""
    assert draw.grid([[1, -2, 0.5]], highlight=[(0, 1, 1, 2)], title="K", ax=ax) is ax
    assert texts(ax) == ["1", "-2", "0.5"]
    assert ax.get_title() == "K"
    frame = ax.patches[-1]
    assert (frame.get_x(), frame.get_y(), frame.get_width(), frame.get_height()) == (0.5, -0.5, 2, 1)


def test_signs_have_colours(ax):
    """Positive is reddish, negative bluish, zero white."""
    draw.answer([[1.0, 0.0, -1.0]], ax=ax)
    red, white, blue = (colour_at(ax, 0, column) for column in range(3))
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert min(white) > 0.95


def test_small_kernels_show_numbers(ax):
    """Up to 9x9 the numbers are written in; larger kernels are pictures."""
    draw.kernel(kernels.sobel_x(), ax=ax)
    assert len(texts(ax)) == 9
    ax.clear()
    draw.kernel(kernels.gaussian(3.0), ax=ax)
    assert texts(ax) == []


def test_a_frequency_response_is_the_transform(ax):
    """The gain at the middle is the sum of the kernel, and at the rim its alternating sum."""
    kernel = np.array([[1, 2, 1]])
    draw.frequency_response(kernel, ax=ax)
    gain = ax.images[0].get_array()
    middle = gain.shape[0] // 2
    assert gain[middle, middle] == pytest.approx(4)
    frequencies = np.fft.fftshift(np.fft.fftfreq(gain.shape[1]))
    assert np.allclose(gain[middle], 2 + 2 * np.cos(2 * np.pi * frequencies))


def test_a_field_shows_what_is_read(ax):
    """Pixels of the region are tinted in the unit's colour, the others are not; box, unit and pixel are marked."""
    net = faltung.parse("2 x conv k=3 d=2 p=same").at(y=20, x=30)
    unit, pixel = {"y": 9, "x": 9}, {"y": 9, "x": 11}
    region = net.receptive_field(unit=unit)
    assert draw.field(region, unit=unit, pixel=pixel, title="field", ax=ax) is ax
    veil = np.asarray(ax.images[-1].get_array())
    tinted = np.all(np.isclose(veil[..., :3], to_rgb(draw.UNIT_COLOUR), atol=0.01), axis=-1)
    assert np.array_equal(tinted, region.mask())
    assert [tuple(map(float, line.get_xydata()[0])) for line in ax.lines] == [(9, 9), (11, 9)]
    box = ax.patches[-1]
    assert (box.get_x(), box.get_y(), box.get_width(), box.get_height()) == (4.5, 4.5, 9, 9)


def lines(ax) -> dict[str, list[float]]:
    """Return what the lines of axes are called, with their heights; those without a name by their marker."""
    return {
        line.get_label() if not line.get_label().startswith("_") else line.get_marker(): list(line.get_ydata())
        for line in ax.lines
    }


def names(ax) -> list[str]:
    return [label.get_text() for label in ax.get_xticklabels()]


def test_growth_is_that_of_the_table(ax):
    """Fields are a line and dots, strides are steps, the picture is a line across: the numbers of the table."""
    net = faltung.parse("conv k=7 s=2 p=3, maxpool k=3 s=2 p=1, conv k=3 p=1, upsample s=8").at(y=90, x=60)
    assert draw.growth(net, title="T", ax=ax) is ax
    drawn, beside = lines(ax), ax.figure.axes[1]
    assert drawn["receptive field, largest so far"] == drawn["o"] == [1, 7, 11, 19, 19]
    assert set(drawn["None"]) == {60}
    assert "the picture: 60 pixels" in texts(ax)
    assert lines(beside) == {"stride": [1, 2, 4, 4, 0.5]}
    assert [label.get_text() for label in beside.get_yticklabels()] == ["1/2", "1", "2", "4"]
    assert names(ax) == ["input", "conv1", "maxpool1", "conv2", "upsample1"]
    assert ax.get_ylabel() == "receptive field along x, pixels"
    assert ax.get_title() == "T"
    ax.clear()
    draw.growth(net.table(), axis="y", ax=ax)
    assert set(lines(ax)["None"]) == {90}
    assert ax.get_ylabel() == "receptive field along y, pixels"


def test_growth_shades_fields_that_vary(ax):
    """Where units of a layer see fields of different sizes, all from the smallest to the largest are shaded."""
    net = faltung.parse("conv k=3 p=1, maxpool k=2, conv k=3 p=1, tconv k=3 s=2, conv k=1").at(x=40)
    row = net.table().rows[-1]
    assert row.smallest != row.receptive_field
    draw.growth(net, ax=ax)
    (band,) = ax.collections
    last = band.get_paths()[0].vertices
    assert {row.smallest[0], row.receptive_field[0]} <= set(last[last[:, 0] == 5][:, 1].tolist())
    ax.clear()
    draw.growth(faltung.parse("3 x conv k=3 p=1").at(x=40), ax=ax)
    assert not ax.collections


def test_growth_follows_branches_global_layers_and_missing_strides(ax):
    """The line never falls, where a shortcut does; what reads the whole picture is a square, without a stride."""
    table = faltung.parse("conv k=3 p=1, conv k=5 p=2, conv k=1, maxpool k=2").at(x=16).table()
    short, whole = table.rows[1], table.rows[4]
    rows = (
        *table.rows[:3],
        replace(table.rows[3], receptive_field=short.receptive_field, smallest=short.smallest),
        replace(whole, receptive_field=(16,), smallest=(16,), stride=(None,), complete=True),
    )
    draw.growth(replace(table, rows=rows), ax=ax)
    drawn = lines(ax)
    np.testing.assert_equal(drawn["receptive field, largest so far"], [1, 3, 7, 7, np.nan])
    assert drawn["o"] == [1, 3, 7, 3]
    assert drawn["all of the picture is read"] == [16]
    np.testing.assert_equal(lines(ax.figure.axes[1])["stride"], [1, 1, 1, 1, np.nan])


def test_growth_of_long_networks_and_in_large_pictures(ax):
    """Of many layers those are named where the stride changes; a far larger picture is told, not drawn."""
    net = faltung.parse("20 x conv k=3 p=1, conv k=2 s=2, 20 x conv k=3 p=1").at(x=2000)
    draw.growth(net, ax=ax)
    assert names(ax) == ["input", "conv21", "conv41"]
    assert "None" not in lines(ax)
    assert texts(ax) == ["the picture: 2,000 pixels ↑"]
    unbound = draw.growth(faltung.parse("2 x conv k=3"))
    assert unbound.get_ylabel() == "receptive field, pixels"
    assert texts(unbound) == []
    assert draw.growth(faltung.parse("60 x conv k=3")).figure.get_figwidth() > unbound.figure.get_figwidth()
    pyplot.close("all")


def test_explanations_and_pictures_draw_themselves():
    """Without axes, new ones are made and returned."""
    made = draw.explanation(faltung.explain(kernels.sobel_x()))
    assert len(made) == 2
    assert "derivative" in made[0].figure.get_suptitle()
    ax = draw.picture(np.zeros((4, 5, 3), np.uint8), title="black")
    assert ax.get_title() == "black"
    pyplot.close("all")


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (
            lambda: draw.grid([1, 2]),
            r"grid: an array of shape \(2,\) cannot be drawn; it must be \(H, W\), not empty",
        ),
        (lambda: draw.kernel(np.zeros((0, 3))), r"kernel: an array of shape \(0, 3\) cannot be drawn"),
        (
            lambda: draw.growth(faltung.parse("conv k=3").at(x=9), axis="y"),
            "there is no axis 'y'; the axes are x",
        ),
        (
            lambda: draw.growth(faltung.parse("conv k=3"), axis="x"),
            "there is no axis 'x'; the network has no sizes and names yet",
        ),
        (
            lambda: draw.growth(replace(faltung.parse("conv k=3").table(), rows=(NO_AXES,))),
            "the input has no axis beside the batch and the channel: there is no field to draw",
        ),
        (
            lambda: draw.field(faltung.parse("conv k=3").at(x=9).receptive_field(unit={"x": 2})),
            "a field over x cannot be drawn; it must be over y, x",
        ),
        (
            lambda: draw.field(
                faltung.parse("conv k=3").at(y=9, x=9).receptive_field(unit={"y": 0, "x": 2}),
                image=np.zeros((9, 8)),
            ),
            "the picture has 9x8 pixels and the map 9x9; they must be equal",
        ),
    ],
)
def test_refusals(act, text):
    """What cannot be drawn is refused in one line."""
    with pytest.raises(FaltungError, match=f"^{text}"):
        act()
    pyplot.close("all")
