// Bands of answers, row by row; compiled once for each level of vector instructions.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "columns.hpp"
#include "levels.hpp"
#include "pixels.hpp"
#include "spectral.hpp"
#include "weighing.hpp"

namespace faltung { namespace FALTUNG_LEVEL {

template <class T> bool is_held_as(Type type) {
    switch (type) {
        case Type::int16: return std::is_same<T, std::uint16_t>::value;
        case Type::int32: return std::is_same<T, std::uint32_t>::value;
        case Type::int64: return std::is_same<T, std::uint64_t>::value;
        case Type::float32: return std::is_same<T, float>::value;
        case Type::float64: return std::is_same<T, double>::value;
        default: return false;
    }
}

template <class T> bool aligned(const char* at, Size step) {
    return reinterpret_cast<std::uintptr_t>(at) % alignof(T) == 0 && step % Size(alignof(T)) == 0;
}

// The taps of each kernel that are not 0, and where they read; `ends` has where those of a kernel end.
template <class T> std::vector<Term<T>> terms_of(const Job& job, const Size* offsets, std::vector<Size>& ends) {
    std::vector<Term<T>> terms;
    const T* taps = static_cast<const T*>(job.taps);
    for (Size k = 0; k < job.kernels; ++k) {
        for (Size m = 0; m < job.y.taps; ++m)
            for (Size n = 0; n < job.x.taps; ++n, ++taps)
                if (*taps != 0) terms.push_back({job.y.dilation * m, offsets[n], *taps});
        ends.push_back(Size(terms.size()));
    }
    return terms;
}

// The answers x0 .. x1-1 of the rows first .. last-1. Rows once made (converted, padded, and filtered along x where
// the kernel is separable) stay in a ring until no answer needs them.
template <class T> void answers(const Job& job, Size x0, Size x1, Size first, Size last) {
    const Source<T> source_of(job, x0, x1);
    const Size count = x1 - x0, room = pitch<T>(count + Vector<T>::width);
    const Size parts = std::max<Size>(job.rank, 1);
    // Rows that strides step over take no place.
    const Size stride = std::min(job.y.stride, job.y.extent(1)), span = stride * (ROWS - 1) + job.y.extent(1);
    const Size made_room = job.rank ? parts * room : source_of.room();
    std::unique_ptr<T[]> memory(new T[span * made_room + LINE<T>]), pixels(job.rank ? new T[source_of.room()] : nullptr);
    T* const ring = memory.get() + LINE<T> - reinterpret_cast<std::uintptr_t>(memory.get()) / sizeof(T) % LINE<T>;
    std::unique_ptr<T[]> zeros(new T[std::max(source_of.room(), room)]());
    std::vector<Size> held(span, -job.y.before - 1);
    std::vector<const T*> listed(parts * span, zeros.get());
    const T* taps_x = static_cast<const T*>(job.taps);
    const T* taps_y = taps_x + parts * job.x.taps;
    const bool even = job.x.stride == 1 && job.x.dilation == 1;
    std::vector<Size> ends;
    const std::vector<Term<T>> terms = job.sparse ? terms_of<T>(job, source_of.offsets.data(), ends) : std::vector<Term<T>>();
    std::vector<char> finite(span, true);

    auto make = [&](Size place, T* to) {
        if (!job.rank) return source_of.row(place, to);
        source_of.row(place, pixels.get());
        const T* row = pixels.get();
        for (Size c = 0; c < parts; ++c) {
            T* part = to + c * room;
            rows_of_columns<T>({&row, source_of.offsets.data(), taps_x + c * job.x.taps, 1, 1, 1, job.x.taps, 1, 1, even}, 1,
                               count, &part);
        }
    };
    // Lists a row; false where zero taps may not be left out, for zero times infinity is no number.
    auto list = [&](Size position, Size at) {
        const Size slot = stride < job.y.stride ? at : (position + job.y.before) % span, place = source(job.y, position);
        T* row = ring + slot * made_room;
        if (place < 0) {
            for (Size c = 0; c < parts; ++c) listed[c * span + at] = zeros.get();
            return true;
        }
        if (held[slot] != position) {
            make(place, row);
            held[slot] = position;
            if (job.sparse && std::is_floating_point<T>::value) finite[slot] = source_of.finite(row);
        }
        for (Size c = 0; c < parts; ++c) listed[c * span + at] = row + c * room;
        return bool(finite[slot]);
    };

    const bool plain = job.answer_column == Size(sizeof(T)) && is_held_as<T>(job.result) &&
                       count >= Vector<T>::width && aligned<T>(job.answer, job.answer_row) &&
                       aligned<T>(job.answer, job.answer_kernel);
    std::unique_ptr<T[]> sums(plain ? nullptr : new T[ROWS * room]);
    // Computes up to ROWS rows of answers; `place` says where each goes.
    auto fill = [&](Size lines, auto&& place, auto&& compute) {
        T* to[ROWS];
        for (Size n = 0; n < lines; ++n) to[n] = plain ? reinterpret_cast<T*>(place(n)) : sums.get() + n * room;
        compute(to);
        for (Size n = 0; !plain && n < lines; ++n) store<T>(to[n], count, place(n), job.answer_column, job.result);
    };
    auto answer = [&](Size kernel, Size row) {
        return job.answer + kernel * job.answer_kernel + row * job.answer_row + x0 * job.answer_column;
    };
    const Size no_offset = 0;
    Reading<T> reading{listed.data(), source_of.offsets.data(), taps_x, 1, span, job.y.taps, job.x.taps, stride,
                       job.y.dilation, even};
    if (job.rank) {
        reading.offsets = &no_offset;
        reading.taps = taps_y;
        reading.components = parts;
        reading.width = 1;
    }
    // The rows that answers read, as positions from the first one's on and as listed; neighbours share most of theirs.
    std::vector<std::pair<Size, Size>> read_by_one, read_by_all;
    for (Size r = 0; r < ROWS; ++r)
        for (Size m = 0; m < job.y.taps; ++m)
            read_by_all.emplace_back(job.y.stride * r + job.y.dilation * m, stride * r + job.y.dilation * m);
    read_by_one.assign(read_by_all.begin(), read_by_all.begin() + job.y.taps);
    std::sort(read_by_all.begin(), read_by_all.end());
    read_by_all.erase(std::unique(read_by_all.begin(), read_by_all.end()), read_by_all.end());
    // Pixels of fewer bytes come soon enough by themselves.
    const bool fetches = job.y.stride == 1 && job.x.stride == 1 && (job.image_column == 4 || job.image_column == 8);
    reading.ahead_row = job.image_row;
    reading.ahead_column = job.image_column;
    for (Size i = first, rows; i < last; i += rows) {
        rows = last - i >= ROWS ? ROWS : 1;
        bool sparse = job.sparse;
        for (const auto& [position, at] : rows == 1 ? read_by_one : read_by_all)
            sparse &= list(job.y.stride * i - job.y.before + position, at);
        const Size next = i + ROWS - job.y.before + job.y.dilation * (job.y.taps - 1);
        if (fetches && next >= 0 && next + ROWS <= job.y.pixels)
            reading.ahead = job.image + next * job.image_row + std::max<Size>(0, x0 - job.x.before) * job.image_column;
        else reading.ahead = nullptr;
        const Size size = job.y.taps * job.x.taps;
        Size k = 0;
        for (; !sparse && k + ROWS <= job.kernels && worth_joining<T>(reading); k += ROWS)
            for (Size r = 0; r < rows; ++r) {
                Reading<T> one = reading;
                one.rows += r * stride;
                one.taps += k * size;
                fill(ROWS, [&](Size n) { return answer(k + n, i + r); }, [&](T* const* to) { kernels_of_columns<T>(one, count, to); });
            }
        for (; k < job.kernels; ++k) {
            Reading<T> one = reading;
            one.taps += k * size;
            if (k) one.ahead = nullptr;
            if (sparse) {
                one.terms = terms.data() + (k ? ends[k - 1] : 0);
                one.term_count = terms.data() + ends[k] - one.terms;
            }
            fill(rows, [&](Size n) { return answer(k, i + n); }, [&](T* const* to) { rows_of_columns<T>(one, int(rows), count, to); });
        }
    }
}

constexpr Size NEAR = 64 << 10;  // bytes that the rows of one block of columns may take, to stay near the processor

template <class T> void band_of(const Job& job, Size first, Size last) {
    const Size span = job.y.extent(ROWS) * job.x.stride * std::max<Size>(job.rank, 1);
    const Size tiles = VECTORS<T> * Vector<T>::width;
    const Size block = std::max<Size>(NEAR / Size(sizeof(T)) / span / tiles, 256 / tiles + 1) * tiles;
    for (Size x0 = 0; x0 < job.x.answers;) {
        const Size left = job.x.answers - x0, x1 = left < 2 * block ? job.x.answers : x0 + block;
        answers<T>(job, x0, x1, first, last);
        x0 = x1;
    }
}

void band(const Job& job, Size first, Size last) {
    switch (job.summed) {
        case Type::int16: return band_of<std::uint16_t>(job, first, last);
        case Type::int32: return band_of<std::uint32_t>(job, first, last);
        case Type::int64: return band_of<std::uint64_t>(job, first, last);
        case Type::float32: return band_of<float>(job, first, last);
        default: return band_of<double>(job, first, last);
    }
}

template <class T> void spectrum_of(const Job& job, void* to) {
    Tiles<T> tiles(job, job.tile_y, job.tile_x);
    for (Size k = 0; k < job.kernels; ++k)
        tiles.spectrum(static_cast<const T*>(job.taps) + k * job.y.taps * job.x.taps,
                       static_cast<T*>(to) + 2 * k * job.tile_y * job.tile_x);
}

void spectrum(const Job& job, void* to) {
    job.summed == Type::float32 ? spectrum_of<float>(job, to) : spectrum_of<double>(job, to);
}

template <class T> bool tiles_of(const Job& job, Size first, Size last) {
    Tiles<T> tiles(job, job.tile_y, job.tile_x);
    bool finite = true;
    for (Size i = first; i < last; i += tiles.together())
        finite &= tiles.compute(i, std::min(last, i + tiles.together()), static_cast<const T*>(job.spectra));
    return finite;
}

bool tiles(const Job& job, Size first, Size last) {
    return job.summed == Type::float32 ? tiles_of<float>(job, first, last) : tiles_of<double>(job, first, last);
}

void weigh(const Job& job, Size first, Size last, double* to) {
    job.summed == Type::float32 ? weigh<float>(job, first, last, to) : weigh<double>(job, first, last, to);
}

}}  // namespace faltung::FALTUNG_LEVEL
