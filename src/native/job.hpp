// What is to be computed: one picture, its kernels, where the answers go. Plain data, no Python.
#pragma once
#include <cstddef>

namespace faltung {

using Size = std::ptrdiff_t;

enum class Boundary { zero, reflect, replicate, circular };

// The types of pixels and answers, by NumPy's names.
enum class Type { boolean, uint8, int8, uint16, int16, uint32, int32, uint64, int64, float16, float32, float64 };

// One axis: answer i reads pixel stride*i + dilation*m - before for each tap m.
struct Axis {
    Size pixels, answers, taps, stride = 1, dilation = 1, before = 0;
    Boundary boundary = Boundary::zero;

    Size extent(Size count) const { return stride * (count - 1) + dilation * (taps - 1) + 1; }
};

// The pixel that a position copies, or -1 where it is zero padding; see faltung.boundary.
inline Size source(const Axis& axis, Size position) {
    if (position >= 0 && position < axis.pixels) return position;
    switch (axis.boundary) {
        case Boundary::zero: return -1;
        case Boundary::replicate: return position < 0 ? 0 : axis.pixels - 1;
        case Boundary::circular: return position < 0 ? position + axis.pixels : position - axis.pixels;
        default: return position < 0 ? -position : 2 * (axis.pixels - 1) - position;
    }
}

// A bank of kernels on one plane. The taps are of the type that is summed in: for a dense bank kernels x y.taps x
// x.taps; for sums of `rank` separable kernels rank x x.taps (along the rows first), then rank x y.taps.
struct Job {
    const char* image;
    Size image_row, image_column;  // steps in bytes, of any sign
    Type pixel;
    bool swapped;  // the pixels are of the other byte order
    char* answer;
    Size answer_kernel, answer_row, answer_column;
    Type result;
    Type summed;  // int16, int32, int64, float32 or float64; sums of integers wrap, so the last one counts alone
    Axis y, x;
    const void* taps;
    Size kernels = 1;
    Size rank = 0;  // 0 for a dense bank
    // By way of spectra: the sides of tiles, powers of two that hold the taps' extent; the spectra of the kernels,
    // kernels x 2 x tile_x x tile_y. `summed` is then the type of the transforms, also of integers.
    Size tile_y = 0, tile_x = 0;
    const void* spectra = nullptr;

    static Size tiles_along(const Axis& axis, Size side) {
        const Size places = (side - axis.extent(1)) / axis.stride + 1;
        return (axis.answers + places - 1) / places;
    }
    Size tiles() const { return tiles_along(y, tile_y) * tiles_along(x, tile_x); }
};

}  // namespace faltung
