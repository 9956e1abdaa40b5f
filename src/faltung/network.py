"""A network and the questions it answers: the graph, with each question as a method."""

from collections.abc import Sequence

from faltung.causality import Causality, is_causal
from faltung.field import projective_field, receptive_field
from faltung.graph import Graph
from faltung.region import Region, Unit
from faltung.sight import FirstSight, first_sight
from faltung.table import Table, table
from faltung.verdict import Verdict, sees


class Network(Graph):
    """Named layers that read one another; made by `faltung.parse`.

    Axes are named from the last backwards x, y, z; a unit or a pixel is `dict(y=3, x=4)`, never a bare pair.
    The batch n and the channel c may be left out, meaning any. Methods that take `layer` mean the last layer
    where it is left out; `input` chooses one of several inputs by number or name; with `channels=True`
    regions are told over the channel as well.

    >>> import faltung
    >>> net = faltung.parse("10 x conv k=5 p=same").at(y=428, x=640)
    >>> net.receptive_field(unit=dict(y=0, x=639)).box
    {'y': range(0, 21), 'x': range(619, 640)}
    """

    def receptive_field(
        self, *, unit: Unit, layer: str | None = None, input: int | str = 0, channels: bool = False
    ) -> Region:
        """Return the input pixels that a unit can contain information about.

        Exact at borders (padding carries no information) and with holes. A pixel outside is invisible to the
        unit for all weights; that a pixel inside is used is up to the weights.

        Raises
        ------
        FaltungError
            If the network has no sizes yet, the layer is unknown, or the unit lies outside its layer.

        >>> import faltung
        >>> field = faltung.parse("3 x conv k=3 d=2 p=same").at(x=100).receptive_field(unit=dict(x=50))
        >>> field.size, field.box, dict(x=51) in field
        (7, {'x': range(44, 57)}, False)
        """
        return receptive_field(self, unit, layer, input, channels=channels)

    def projective_field(
        self, *, pixel: Unit, layer: str | None = None, input: int | str = 0, channels: bool = False
    ) -> Region:
        """Return the units of a layer that a pixel can influence.

        >>> import faltung
        >>> net = faltung.parse("conv k=3 s=2 p=1").at(x=10)
        >>> net.projective_field(pixel=dict(x=3)).box
        {'x': range(1, 3)}
        """
        return projective_field(self, pixel, layer, input, channels=channels)

    def sees(self, *, unit: Unit, pixel: Unit, layer: str | None = None, input: int | str = 0) -> Verdict:
        """Say whether a unit can contain any information about a pixel: yes with a path, no with a proof.

        >>> import faltung
        >>> net = faltung.parse("10 x conv k=5 p=same").at(y=428, x=640)
        >>> verdict = net.sees(unit=dict(y=0, x=639), pixel=dict(y=210, x=255))
        >>> bool(verdict), verdict.distance, verdict.depth
        (False, {'y': 190, 'x': -364}, 192)
        """
        return sees(self, unit, pixel, layer, input)

    def first_sight(self, *, pixel: Unit, at: Unit | None = None, input: int | str = 0) -> FirstSight:
        """Return how a pixel comes into sight, layer by layer, of the units at a place of the picture.

        >>> import faltung
        >>> net = faltung.parse("5 x conv k=5 p=same").at(x=100)
        >>> net.first_sight(pixel=dict(x=50), at=dict(x=43)).layer
        'conv4'
        """
        return first_sight(self, pixel, at, input)

    def is_causal(
        self, axis: str | Sequence[str] = "x", *, layer: str | None = None, input: int | str = 0
    ) -> Causality:
        """Say whether no unit reads an input that comes later: along an axis, or row by row along several.

        True where it is so; else the answer has the offending path.

        >>> import faltung
        >>> bool(faltung.parse("3 x conv k=3 p=2+0").at(x=50).is_causal("x"))
        True
        >>> print(faltung.parse("conv k=3 p=2+0, conv k=3 p=1").at(x=50).is_causal("x"))
        Not causal along x: conv2 at x=25 reads the input at x=26.
        Path: conv2 <- conv1 <- input
        """
        return is_causal(self, axis, layer, input)

    def table(self, input: int | str = 0) -> Table:
        """Return the layers with their size, stride, receptive field and start.

        >>> import faltung
        >>> print(faltung.parse("conv k=7 s=2 p=3, maxpool k=3 s=2 p=1").at(y=224, x=224).table())
        layer     operator             output size  stride  receptive field  start  of picture  border
        input                              224x224       1                1      0       <0.1%     0+0
        conv1     conv k=7 s=2 p=3         112x112       2                7     -3       <0.1%     2+1
        maxpool1  maxpool k=3 s=2 p=1        56x56       4               11     -5        0.2%     2+1
        """
        return table(self, input)

    def __repr__(self) -> str:
        inputs = ", ".join(
            f"{name} " + " ".join(f"{axis}={size}" for axis, size in zip(here.axes, here.shape, strict=True))
            for name, here in self.maps.items()
            if name in self.inputs
        )
        return f"<Network of {len(self.layers)} layers, {inputs or 'not bound to an input size'}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()
