// One row of a picture, converted to the type that is summed in and continued beyond the border.
#pragma once
#include <cstdint>
#include <cstring>

#include "job.hpp"

namespace faltung { namespace FALTUNG_LEVEL {

template <class T> T turned(T value) {
    unsigned char bytes[sizeof(T)], other[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    for (std::size_t i = 0; i < sizeof(T); ++i) other[i] = bytes[sizeof(T) - 1 - i];
    std::memcpy(&value, other, sizeof(T));
    return value;
}

template <class In, class Sum> inline Sum pixel_at(const char* row, Size step, Size place, bool swapped) {
    In value;
    std::memcpy(&value, row + step * place, sizeof(In));
    return static_cast<Sum>(swapped ? turned(value) : value);
}

// Writes the pixels at positions start, start + stride, ... (count of them) of a row.
template <class In, class Sum>
void load_phase(const Job& job, const char* row, Size start, Size stride, Size count, Sum* to) {
    const Axis& x = job.x;
    const Size step = job.image_column;
    Size i = 0;
    const Size inside_from = start >= 0 ? 0 : (-start + stride - 1) / stride;
    Size inside_to = start >= x.pixels ? 0 : (x.pixels - 1 - start) / stride + 1;
    if (inside_to > count) inside_to = count;
    auto outside = [&](Size end) {
        for (; i < end && i < count; ++i) {
            const Size place = source(x, start + i * stride);
            to[i] = place < 0 ? Sum(0) : pixel_at<In, Sum>(row, step, place, job.swapped);
        }
    };
    outside(inside_from < count ? inside_from : count);
    if (i < inside_to) {
        if (!job.swapped && stride == 1 && step == Size(sizeof(In))) {
            const char* from = row + (start + i) * Size(sizeof(In));
            const Size length = inside_to - i;
            for (Size j = 0; j < length; ++j) {  // vectorised by the compiler
                In value;
                std::memcpy(&value, from + j * Size(sizeof(In)), sizeof(In));
                to[i + j] = static_cast<Sum>(value);
            }
            i = inside_to;
        } else {
            for (; i < inside_to; ++i) to[i] = pixel_at<In, Sum>(row, step, start + i * stride, job.swapped);
        }
    }
    outside(count);
}

template <class Sum> using LoadPhase = void (*)(const Job&, const char*, Size, Size, Size, Sum*);

template <class Sum> LoadPhase<Sum> loader(Type pixel) {
    switch (pixel) {
        case Type::boolean:
        case Type::uint8: return load_phase<std::uint8_t, Sum>;
        case Type::int8: return load_phase<std::int8_t, Sum>;
        case Type::uint16: return load_phase<std::uint16_t, Sum>;
        case Type::int16: return load_phase<std::int16_t, Sum>;
        case Type::uint32: return load_phase<std::uint32_t, Sum>;
        case Type::int32: return load_phase<std::int32_t, Sum>;
        case Type::uint64: return load_phase<std::uint64_t, Sum>;
        case Type::int64: return load_phase<std::int64_t, Sum>;
#ifdef FALTUNG_FLOAT16
        case Type::float16: return load_phase<FALTUNG_FLOAT16, Sum>;
#endif
        case Type::float32: return load_phase<float, Sum>;
        case Type::float64: return load_phase<double, Sum>;
        default: return nullptr;
    }
}

// Writes sums as answers of another type or with steps between them.
template <class Sum, class Out> void store_as(const Sum* from, Size count, char* to, Size step) {
    for (Size i = 0; i < count; ++i) {
        const Out value = static_cast<Out>(from[i]);
        std::memcpy(to + i * step, &value, sizeof(Out));
    }
}

template <class Sum> void store(const Sum* from, Size count, char* to, Size step, Type result) {
    switch (result) {
        case Type::int8: return store_as<Sum, std::int8_t>(from, count, to, step);
        case Type::int16: return store_as<Sum, std::int16_t>(from, count, to, step);
        case Type::int32: return store_as<Sum, std::int32_t>(from, count, to, step);
        case Type::int64: return store_as<Sum, std::int64_t>(from, count, to, step);
#ifdef FALTUNG_FLOAT16
        case Type::float16: return store_as<Sum, FALTUNG_FLOAT16>(from, count, to, step);
#endif
        case Type::float32: return store_as<Sum, float>(from, count, to, step);
        default: return store_as<Sum, double>(from, count, to, step);
    }
}

}}  // namespace faltung::FALTUNG_LEVEL
