// The derivative by the taps: for each tap the sum, over all answers, of the derivative by the answer times the pixel
// that the tap reads for it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "pixels.hpp"
#include "reading.hpp"

namespace faltung { namespace FALTUNG_LEVEL {

constexpr int TOGETHER = 4, ABREAST = 3;  // kernels, and taps of a row, whose sums are in registers

// Adds the products of K rows of derivatives with N rows of pixels, which begin at `offsets`, to K x N sums of vectors.
template <int K, int N, class T>
void weigh_row(const T* const* given, const T* pixels, const Size* offsets, Size count, typename Vector<T>::type* sums, Size apart) {
    using Vec = typename Vector<T>::type;
    constexpr Size width = Vector<T>::width;
    Vec found[K][N];
    repeat<0, K>([&](auto k) __attribute__((always_inline)) {
        repeat<0, N>([&](auto n) __attribute__((always_inline)) { found[k][n] = sums[k * apart + n]; });
    });
    const T* at[N];
    repeat<0, N>([&](auto n) __attribute__((always_inline)) { at[n] = pixels + offsets[n]; });
    const auto add_columns = [&](Size x, auto&& cut) __attribute__((always_inline)) {
        Vec read[N];
        repeat<0, N>([&](auto n) __attribute__((always_inline)) {
            std::memcpy(&read[n], at[n] + x, sizeof(Vec));
            cut(read[n]);
        });
        repeat<0, K>([&](auto k) __attribute__((always_inline)) {
            Vec derivative;
            std::memcpy(&derivative, given[k] + x, sizeof(Vec));
            cut(derivative);
            repeat<0, N>([&](auto n) __attribute__((always_inline)) { found[k][n] += derivative * read[n]; });
        });
    };
    Size x = 0;
    for (; x + width <= count; x += width) add_columns(x, [](Vec&) __attribute__((always_inline)) {});
    if (x < count) {  // what lies behind the row may be no number: it is cut off on both sides
        typedef typename std::conditional<sizeof(T) == 4, std::int32_t, std::int64_t>::type Bits;
        typedef Bits Mask __attribute__((vector_size(FALTUNG_BYTES)));
        Mask kept;
        for (Size i = 0; i < width; ++i) kept[i] = x + i < count ? Bits(-1) : Bits(0);
        add_columns(x, [&](Vec& value) __attribute__((always_inline)) { value = (Vec)((Mask)value & kept); });
    }
    repeat<0, K>([&](auto k) __attribute__((always_inline)) {
        repeat<0, N>([&](auto n) __attribute__((always_inline)) { sums[k * apart + n] = found[k][n]; });
    });
}

template <int K, class T>
void weigh_taps(Size wide, const T* const* given, const T* pixels, const Size* offsets, Size count, typename Vector<T>::type* sums,
                Size apart) {
    static_assert(ABREAST == 3, "as many cases as there are numbers of taps");
    if (wide == 3) weigh_row<K, 3, T>(given, pixels, offsets, count, sums, apart);
    else if (wide == 2) weigh_row<K, 2, T>(given, pixels, offsets, count, sums, apart);
    else weigh_row<K, 1, T>(given, pixels, offsets, count, sums, apart);
}

// Adds, for the answers of the rows first .. last-1, to `to`: kernels x y.taps x x.taps. `job.answer` has the
// derivatives by the answers, of the type that is summed in.
template <class T> void weigh(const Job& job, Size first, Size last, double* to) {
    using Vec = typename Vector<T>::type;
    const Source<T> source_of(job, 0, job.x.answers);
    const Size count = job.x.answers, span = job.y.extent(1), taps = job.x.taps;
    const Size vectors = (count + Vector<T>::width - 1) / Vector<T>::width;
    const Size size = job.y.taps * taps;
    // Rows once made stay in a ring until no answer needs them.
    std::vector<T> ring(std::size_t(span * source_of.room()));
    const std::unique_ptr<Vec[]> rows(new Vec[std::size_t(TOGETHER * vectors)]());
    std::vector<Size> held(std::size_t(span), -job.y.before - 1);
    const std::unique_ptr<Vec[]> sums(new Vec[std::size_t(job.kernels * size)]());
    for (Size i = first; i < last; ++i)
        for (Size k = 0, many; k < job.kernels; k += many) {
            many = std::min<Size>(TOGETHER, job.kernels - k);
            const T* given[TOGETHER];
            for (Size r = 0; r < many; ++r) {
                const char* from = job.answer + (k + r) * job.answer_kernel + i * job.answer_row;
                char* row = reinterpret_cast<char*>(rows.get() + r * vectors);
                if (job.answer_column == Size(sizeof(T))) std::memcpy(row, from, std::size_t(count) * sizeof(T));
                else
                    for (Size x = 0; x < count; ++x) std::memcpy(row + x * Size(sizeof(T)), from + x * job.answer_column, sizeof(T));
                given[r] = reinterpret_cast<const T*>(row);
            }
            for (Size m = 0; m < job.y.taps; ++m) {
                const Size position = job.y.stride * i - job.y.before + job.y.dilation * m, place = source(job.y, position);
                if (place < 0) continue;
                const Size slot = (position + job.y.before) % span;
                T* row = ring.data() + slot * source_of.room();
                if (held[slot] != position) {
                    source_of.row(place, row);
                    held[slot] = position;
                }
                for (Size n = 0, wide; n < taps; n += wide) {
                    wide = std::min<Size>(ABREAST, taps - n);
                    const Size* offsets = source_of.offsets.data() + n;
                    Vec* sum = sums.get() + k * size + m * taps + n;
                    if (many == TOGETHER) weigh_taps<TOGETHER, T>(wide, given, row, offsets, count, sum, size);
                    else
                        for (Size r = 0; r < many; ++r) weigh_taps<1, T>(wide, given + r, row, offsets, count, sum + r * size, size);
                }
            }
        }
    for (Size t = 0; t < job.kernels * size; ++t)
        for (Size lane = 0; lane < Vector<T>::width; ++lane) to[t] += double(sums[t][lane]);
}

}}  // namespace faltung::FALTUNG_LEVEL
