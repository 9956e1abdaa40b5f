#include "levels.hpp"

namespace faltung {

namespace baseline { void band(const Job&, Size, Size); }
#ifdef FALTUNG_X86
namespace avx2 { void band(const Job&, Size, Size); }
namespace avx512 { void band(const Job&, Size, Size); }
#endif

const std::vector<Level>& levels() {
    static const std::vector<Level> found = [] {
        std::vector<Level> able;
#ifdef FALTUNG_X86
        __builtin_cpu_init();
        const bool avx2_too = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        if (avx2_too && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
            able.push_back({"avx512", avx512::band});
        if (avx2_too) able.push_back({"avx2", avx2::band});
#endif
        able.push_back({"baseline", baseline::band});
        return able;
    }();
    return found;
}

}  // namespace faltung
