// What is to be computed: one picture, its kernels, where the answers go. Plain data, no Python.
#pragma once
#include <cstddef>

namespace faltung {

using Size = std::ptrdiff_t;

enum class Boundary { zero, reflect, replicate, circular };

// The types of pixels and answers, by NumPy's names.
enum class Type { boolean, uint8, int8, uint16, int16, uint32, int32, uint64, int64, float16, float32, float64 };

inline bool is_float(Type type) { return type >= Type::float16; }

inline Size size_of(Type type) {
    switch (type) {
        case Type::boolean:
        case Type::uint8:
        case Type::int8: return 1;
        case Type::uint16:
        case Type::int16:
        case Type::float16: return 2;
        case Type::uint32:
        case Type::int32:
        case Type::float32: return 4;
        default: return 8;
    }
}

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

// As long as the longest padded axis and as the steps of faltung.filters: numbers so small that no product overflows.
constexpr Size LONGEST = 1 << 26, WIDEST_STEP = 1 << 16;

// What is impossible about an axis, or nullptr.
inline const char* problem_of(const Axis& axis) {
    if (axis.pixels < 1 || axis.answers < 0 || axis.taps < 1 || axis.stride < 1 || axis.dilation < 1 || axis.before < 0)
        return "an axis of impossible numbers";
    if (axis.pixels > LONGEST || axis.answers > LONGEST || axis.taps > LONGEST || axis.before > LONGEST ||
        axis.stride > WIDEST_STEP || axis.dilation > WIDEST_STEP || axis.extent(axis.answers) > LONGEST ||
        axis.extent(1) > LONGEST)
        return "an axis too long";
    if (axis.answers == 0) return nullptr;
    const Size after = axis.extent(axis.answers) - axis.before - axis.pixels;
    const Size most = axis.boundary == Boundary::reflect    ? axis.pixels - 1
                      : axis.boundary == Boundary::circular ? axis.pixels
                                                            : LONGEST;
    return axis.before > most || after > most ? "more padding than the boundary can give" : nullptr;
}

// Whether tiles of such a side hold the taps.
inline bool is_side(Size side, const Axis& axis) {
    return side >= 16 && side <= 1 << 14 && (side & (side - 1)) == 0 && axis.extent(1) <= side;
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
    Size rank = 0;  // 0 for a bank
    bool sparse = false;  // of a bank most taps are 0, and are left out
    // By way of spectra: the sides of tiles, powers of two that hold the taps' extent; the spectra of the kernels,
    // kernels x 2 x tile_x x tile_y. `summed` is then the type of the transforms, also of integers.
    Size tile_y = 0, tile_x = 0;
    const void* spectra = nullptr;
    double split = 0;  // of whole numbers: a tile and `split` times another one make one; 0 where that is not exact

    static Size tiles_along(const Axis& axis, Size side) {
        const Size places = (side - axis.extent(1)) / axis.stride + 1;
        return (axis.answers + places - 1) / places;
    }
    Size tiles() const { return tiles_along(y, tile_y) * tiles_along(x, tile_x); }
};

}  // namespace faltung
