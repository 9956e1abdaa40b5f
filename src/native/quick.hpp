// Quick calls: what a small picture costs is looking at the arguments. `quick` does those from end to end where direct
// sums, or two passes, are surely best, and declines the rest (None), which then take the way that also explains what
// is wrong.
#pragma once
#include "arrays.hpp"

namespace faltung {

constexpr long QUICK_WORK = 1500000;  // multiplications that no other way is worth looking for
constexpr long QUICK_TAPS = 49;       // no other way is better, whatever the picture's size
constexpr long QUICK_PASSES = 256;    // answers from which it is worth looking whether a kernel has rank 1

// quick(image (..., H, W), kernel (kh, kw) or (N, kh, kw), padding, stride, dilation, boundary, flip, threads, out)
PyObject* quick(PyObject*, PyObject* const* args, Py_ssize_t count);

// is_sooner_apart(kh, kw, whole), is_sooner_skipping(nonzero, taps)
PyObject* is_sooner_apart(PyObject*, PyObject* args);
PyObject* is_sooner_skipping(PyObject*, PyObject* args);

}  // namespace faltung
