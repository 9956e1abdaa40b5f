#include "levels.hpp"

#include <atomic>
#include <cstring>

namespace faltung {

#define FALTUNG_DECLARED(name)              \
    namespace name {                        \
    void band(const Job&, Size, Size);      \
    void spectrum(const Job&, void*);       \
    bool tiles(const Job&, Size, Size);     \
    void weigh(const Job&, Size, Size, double*); \
    constexpr Level level{#name, band, spectrum, tiles, weigh}; \
    }

FALTUNG_DECLARED(baseline)
#ifdef FALTUNG_X86
FALTUNG_DECLARED(avx2)
FALTUNG_DECLARED(avx512)
#endif

const std::vector<Level>& levels() {
    static const std::vector<Level> found = [] {
        std::vector<Level> able;
#ifdef FALTUNG_X86
        __builtin_cpu_init();
        const bool avx2_too = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        if (avx2_too && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
            able.push_back(avx512::level);
        if (avx2_too) able.push_back(avx2::level);
#endif
        able.push_back(baseline::level);
        return able;
    }();
    return found;
}

static std::atomic<std::size_t> chosen{0};

const Level& level_in_use() { return levels()[chosen]; }

bool use_level(const char* name) {
    for (std::size_t i = 0; i < levels().size(); ++i)
        if (!std::strcmp(levels()[i].name, name)) {
            chosen = i;
            return true;
        }
    return false;
}

}  // namespace faltung
