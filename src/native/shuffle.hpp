// Two vectors shuffled into one; GCC before 12 has another word for it.
#pragma once
#include <cstdint>
#include <type_traits>

namespace faltung { namespace FALTUNG_LEVEL {

template <int... PLACES, class Vec> inline Vec shuffled(Vec a, Vec b) {
#if defined(__clang__) || __GNUC__ >= 12
    return __builtin_shufflevector(a, b, PLACES...);
#else
    using Place = typename std::conditional<sizeof(Vec) / sizeof...(PLACES) == 4, std::int32_t, std::int64_t>::type;
    typedef Place Places __attribute__((vector_size(sizeof(Vec))));
    return __builtin_shuffle(a, b, Places{PLACES...});
#endif
}

}}  // namespace faltung::FALTUNG_LEVEL
