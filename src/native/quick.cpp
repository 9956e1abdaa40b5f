#include "quick.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <vector>

#include "running.hpp"
#include "separable.hpp"
#include "threads.hpp"

namespace faltung {
namespace {

template <class T, class To> void read_taps(PyArrayObject* kernel, bool flip, std::vector<To>& taps) {
    const int rank = PyArray_NDIM(kernel);
    const Size kernels = rank == 3 ? PyArray_DIM(kernel, 0) : 1, apart = rank == 3 ? PyArray_STRIDE(kernel, 0) : 0;
    const Size kh = PyArray_DIM(kernel, rank - 2), kw = PyArray_DIM(kernel, rank - 1);
    const Size sy = PyArray_STRIDE(kernel, rank - 2), sx = PyArray_STRIDE(kernel, rank - 1);
    taps.resize(std::size_t(kernels * kh * kw));
    To* to = taps.data();
    for (Size k = 0; k < kernels; ++k)
        for (Size m = 0; m < kh; ++m)
            for (Size n = 0; n < kw; ++n) {
                T tap;
                const char* from = PyArray_BYTES(kernel) + k * apart;
                std::memcpy(&tap, from + (flip ? kh - 1 - m : m) * sy + (flip ? kw - 1 - n : n) * sx, sizeof(T));
                *to++ = static_cast<To>(tap);
            }
}

template <class To> bool read_any_taps(PyArrayObject* kernel, Type type, bool flip, std::vector<To>& taps) {
    switch (type) {
        case Type::boolean:
        case Type::uint8: read_taps<std::uint8_t>(kernel, flip, taps); return true;
        case Type::int8: read_taps<std::int8_t>(kernel, flip, taps); return true;
        case Type::uint16: read_taps<std::uint16_t>(kernel, flip, taps); return true;
        case Type::int16: read_taps<std::int16_t>(kernel, flip, taps); return true;
        case Type::uint32: read_taps<std::uint32_t>(kernel, flip, taps); return true;
        case Type::int32: read_taps<std::int32_t>(kernel, flip, taps); return true;
        case Type::int64: read_taps<std::int64_t>(kernel, flip, taps); return true;
        case Type::float32: read_taps<float>(kernel, flip, taps); return true;
        case Type::float64: read_taps<double>(kernel, flip, taps); return true;
        default: return false;
    }
}

// The smallest signed type that holds every sum of the taps of each kernel with pixels of a type; see
// faltung.filters._dtypes.
bool type_of_sums(const std::vector<std::int64_t>& taps, Size kernels, Type pixel, Type& result) {
    __int128 low = 0, high = 1;
    switch (pixel) {
        case Type::boolean: break;
        case Type::uint8: high = 255; break;
        case Type::uint16: high = 65535; break;
        case Type::uint32: high = 4294967295; break;
        case Type::int8: low = -128, high = 127; break;
        case Type::int16: low = -32768, high = 32767; break;
        case Type::int32: low = -2147483648LL, high = 2147483647LL; break;
        default: return false;
    }
    __int128 least = low, greatest = high;
    const std::size_t each = taps.size() / std::size_t(kernels);
    for (std::size_t at = 0; at < taps.size(); at += each) {
        __int128 positive = 0, negative = 0;
        for (std::size_t i = at; i < at + each; ++i) {
            (taps[i] > 0 ? positive : negative) += taps[i];
            least = std::min<__int128>(least, taps[i]);
            greatest = std::max<__int128>(greatest, taps[i]);
        }
        least = std::min(least, positive * low + negative * high);
        greatest = std::max(greatest, positive * high + negative * low);
    }
    const auto within = [&](int bits) { return -(__int128(1) << bits) <= least && greatest < (__int128(1) << bits); };
    result = within(7) ? Type::int8 : within(15) ? Type::int16 : within(31) ? Type::int32 : Type::int64;
    return within(63);
}

bool is_word(PyObject* object, const char* word) {
    return PyUnicode_Check(object) && PyUnicode_CompareWithASCIIString(object, word) == 0;
}

bool read_whole(PyObject* object, Size least, Size& value) {
    if (!PyLong_CheckExact(object)) return false;
    int overflow;
    const long found = PyLong_AsLongAndOverflow(object, &overflow);
    value = found;
    return !overflow && found >= least && found <= WIDEST_STEP;
}

// Where the window of one axis stands; false where it does not fit, or a number is needed to say why.
bool read_window(Axis& axis, Size pixels, Size taps, PyObject* padding, Size stride, Size dilation, bool flip) {
    axis.pixels = pixels;
    axis.taps = taps;
    axis.stride = stride;
    axis.dilation = dilation;
    const Size reach = dilation * (taps - 1);
    Size after;
    if (is_word(padding, "valid")) axis.before = after = 0;
    else if (is_word(padding, "full")) axis.before = after = reach;
    else if (is_word(padding, "same")) {
        axis.before = flip ? reach - reach / 2 : reach / 2;
        after = reach - axis.before;
    } else {
        if (!read_whole(padding, 0, axis.before)) return false;
        after = axis.before;
    }
    const Size room = axis.before + pixels + after - reach - 1;
    if (room < 0) return false;
    axis.answers = room / stride + 1;
    const Size most = axis.boundary == Boundary::reflect ? pixels - 1 : axis.boundary == Boundary::circular ? pixels : 1 << 20;
    return axis.before <= most && after <= most;
}

template <class T> std::vector<char> bytes_of(const std::vector<T>& numbers) {
    std::vector<char> bytes(numbers.size() * sizeof(T));
    std::memcpy(bytes.data(), numbers.data(), bytes.size());
    return bytes;
}

// The taps as they are summed, or the factors of one kernel where two passes are sooner; `job` is told which, and
// whether most taps are 0.
template <class To, class From> std::vector<char> prepared(const std::vector<From>& given, Job& job) {
    const std::vector<To> taps(given.begin(), given.end());
    const Size nonzero = Size(taps.size()) - std::count(taps.begin(), taps.end(), To(0));
    job.sparse = worth_skipping(nonzero, Size(taps.size()));
    const bool few = job.sparse && 2 * nonzero <= job.y.taps + job.x.taps;
    if (job.kernels == 1 && !few && double(job.y.answers) * double(job.x.answers) > QUICK_PASSES &&
        worth_separating(job.y.taps, job.x.taps, !std::is_floating_point<To>::value)) {
        const std::vector<To> factors = separated(taps.data(), job.y.taps, job.x.taps);
        if (!factors.empty()) {
            job.rank = 1;
            job.sparse = false;
            return bytes_of(factors);
        }
    }
    return bytes_of(taps);
}

// Whether an array given for the answers can take them just so.
bool takes(PyArrayObject* out, int axes, const npy_intp* shape, Type type, PyArrayObject* image) {
    Type given;
    if (PyArray_NDIM(out) != axes || !type_of(out, given) || given != type || !PyArray_ISNOTSWAPPED(out) ||
        !PyArray_ISWRITEABLE(out))
        return false;
    for (int axis = 0; axis < axes; ++axis)
        if (PyArray_DIM(out, axis) != shape[axis]) return false;
    const char *first[2], *last[2];  // of the memory that each may touch
    PyArrayObject* both[] = {out, image};
    for (int i = 0; i < 2; ++i) {
        first[i] = PyArray_BYTES(both[i]);
        last[i] = first[i] + PyArray_ITEMSIZE(both[i]);
        for (int axis = 0; axis < PyArray_NDIM(both[i]); ++axis) {
            const Size reach = (PyArray_DIM(both[i], axis) - 1) * PyArray_STRIDE(both[i], axis);
            (reach < 0 ? first[i] : last[i]) += reach;
        }
    }
    return last[0] <= first[1] || last[1] <= first[0];
}

// How many threads are asked for by the call, the environment or the machine; 0 where that is not a plain number.
int read_threads(PyObject* object) {
    Size given;
    if (object != Py_None) return read_whole(object, 1, given) ? int(given) : 0;
    const char* said = std::getenv("FALTUNG_THREADS");
    if (said) {
        char* end;
        const long number = std::strtol(said, &end, 10);
        return *said && !*end && number > 0 && number < (1 << 20) ? int(number) : 0;
    }
    return processors();
}

}  // namespace

PyObject* quick(PyObject*, PyObject* const* args, Py_ssize_t count) {
    if (count != 9) {
        PyErr_SetString(PyExc_ValueError, "quick takes 9 arguments");
        return nullptr;
    }
    if (!PyArray_CheckExact(args[0]) || !PyArray_CheckExact(args[1])) Py_RETURN_NONE;
    if (args[8] != Py_None && !PyArray_CheckExact(args[8])) Py_RETURN_NONE;
    PyArrayObject* image = reinterpret_cast<PyArrayObject*>(args[0]);
    PyArrayObject* kernel = reinterpret_cast<PyArrayObject*>(args[1]);
    const int axes = PyArray_NDIM(image), bank = PyArray_NDIM(kernel) == 3;
    Job job{};
    Type tap;
    Size stride, dilation;
    if (axes < 2 || axes > 8 || (PyArray_NDIM(kernel) != 2 && !bank) || !PyArray_SIZE(image) || !PyArray_SIZE(kernel) ||
        PyArray_ISBYTESWAPPED(image) || PyArray_ISBYTESWAPPED(kernel) || !type_of(image, job.pixel) || !type_of(kernel, tap) ||
        !read_whole(args[3], 1, stride) || !read_whole(args[4], 1, dilation))
        Py_RETURN_NONE;
    const char* names[] = {"zero", "reflect", "replicate", "circular"};
    int boundary = 0;
    while (boundary < 4 && !is_word(args[5], names[boundary])) ++boundary;
    if (boundary == 4) Py_RETURN_NONE;
    job.y.boundary = job.x.boundary = static_cast<Boundary>(boundary);
    const bool flip = args[6] == Py_True;
    if (!read_window(job.y, PyArray_DIM(image, axes - 2), PyArray_DIM(kernel, bank), args[2], stride, dilation, flip) ||
        !read_window(job.x, PyArray_DIM(image, axes - 1), PyArray_DIM(kernel, bank + 1), args[2], stride, dilation, flip))
        Py_RETURN_NONE;
    job.kernels = bank ? PyArray_DIM(kernel, 0) : 1;
    Planes planes;
    for (int axis = 0; axis < axes - 2; ++axis) {
        planes.shape.push_back(PyArray_DIM(image, axis));
        planes.image_steps.push_back(PyArray_STRIDE(image, axis));
    }
    const Size size = job.y.taps * job.x.taps;
    Size many = planes.count();
    const bool small = double(many) * double(job.y.answers) * double(job.x.answers) * double(job.kernels * size) <= QUICK_WORK;
    const int threads = small && args[7] == Py_None ? 1 : read_threads(args[7]);
    if (threads == 0 || problem_of(job.y) || problem_of(job.x)) Py_RETURN_NONE;
    const bool whole = !is_float(job.pixel) && !is_float(tap);
    if (!small && size > QUICK_TAPS && (bank || !worth_separating(job.y.taps, job.x.taps, whole))) Py_RETURN_NONE;

    std::vector<char> taps;
    if (whole) {
        std::vector<std::int64_t> given;
        if (!read_any_taps(kernel, tap, flip, given) || !type_of_sums(given, job.kernels, job.pixel, job.result)) Py_RETURN_NONE;
        job.summed = job.result == Type::int8 ? Type::int16 : job.result;
        taps = job.summed == Type::int16   ? prepared<std::int16_t>(given, job)
               : job.summed == Type::int32 ? prepared<std::int32_t>(given, job)
                                           : prepared<std::int64_t>(given, job);
    } else {
        if (job.pixel == Type::float16 || tap == Type::float16) Py_RETURN_NONE;
        if (is_float(job.pixel)) job.result = job.pixel;
        else if (tap == Type::float64) job.result = tap;
        else Py_RETURN_NONE;
        job.summed = job.result;
        if (job.summed == Type::float32) {
            std::vector<float> single;
            if (!read_any_taps(kernel, tap, flip, single)) Py_RETURN_NONE;
            for (float each : single)
                if (!std::isfinite(each)) Py_RETURN_NONE;
            taps = prepared<float>(single, job);
        } else {
            std::vector<double> numbers;
            if (!read_any_taps(kernel, tap, flip, numbers)) Py_RETURN_NONE;
            taps = prepared<double>(numbers, job);
        }
    }
    if (!small && size > QUICK_TAPS && !job.rank) Py_RETURN_NONE;
    npy_intp shape[10];
    int to = 0;
    for (Size each : planes.shape) shape[to++] = each;
    if (bank) shape[to++] = job.kernels;
    shape[to++] = job.y.answers;
    shape[to++] = job.x.answers;
    PyObject* made;
    if (args[8] != Py_None) {
        if (!takes(reinterpret_cast<PyArrayObject*>(args[8]), to, shape, job.result, image)) Py_RETURN_NONE;
        made = args[8];
        Py_INCREF(made);
    } else {
        made = new_answers_like(image, to, shape, PyArray_DescrFromType(number_of(job.result)));
        if (!made) {  // out of memory, which the other way tells
            PyErr_Clear();
            Py_RETURN_NONE;
        }
    }
    PyArrayObject* answer = reinterpret_cast<PyArrayObject*>(made);
    for (int axis = 0; axis < axes - 2; ++axis) planes.answer_steps.push_back(PyArray_STRIDE(answer, axis));
    job.image = PyArray_BYTES(image);
    job.image_row = PyArray_STRIDE(image, axes - 2);
    job.image_column = PyArray_STRIDE(image, axes - 1);
    job.answer = PyArray_BYTES(answer);
    job.answer_kernel = bank ? PyArray_STRIDE(answer, to - 3) : 0;
    job.answer_row = PyArray_STRIDE(answer, to - 2);
    job.answer_column = PyArray_STRIDE(answer, to - 1);
    job.taps = taps.data();
    join_channels(job, planes);
    many = planes.count();
    bool finished = true, done = true;
    if (small && many == 1) {
        try {
            level_in_use().band(job, 0, job.y.answers);
        } catch (const std::exception&) {
            done = false;
        }
    } else {
        done = without_python([&] { finished = compute(job, planes, threads); });
    }
    if (finished && done) return made;
    Py_DECREF(made);
    if (!finished) return nullptr;  // interrupted
    PyErr_Clear();  // no memory is left for this, which the other way tells
    Py_RETURN_NONE;
}

PyObject* is_sooner_apart(PyObject*, PyObject* args) {
    Size kh, kw;
    int whole;
    if (!PyArg_ParseTuple(args, "nnp", &kh, &kw, &whole)) return nullptr;
    return PyBool_FromLong(worth_separating(kh, kw, whole));
}

PyObject* is_sooner_skipping(PyObject*, PyObject* args) {
    Size nonzero, taps;
    if (!PyArg_ParseTuple(args, "nn", &nonzero, &taps)) return nullptr;
    return PyBool_FromLong(worth_skipping(nonzero, taps));
}

}  // namespace faltung
