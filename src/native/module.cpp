// The door to Python: `run` computes what a plan says; `quick` does a whole small call by itself or declines.
#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <vector>

#include "levels.hpp"
#include "memory.hpp"
#include "separable.hpp"
#include "threads.hpp"

namespace {

using namespace faltung;

std::atomic<Size> level_in_use{0};

bool type_of(PyArrayObject* array, Type& type) {
    const PyArray_Descr* descr = PyArray_DESCR(array);
    const Size size = PyDataType_ELSIZE(descr);
    switch (descr->kind) {
        case 'b': type = Type::boolean; return true;
        case 'u': type = size == 1 ? Type::uint8 : size == 2 ? Type::uint16 : size == 4 ? Type::uint32 : Type::uint64; return size <= 8;
        case 'i': type = size == 1 ? Type::int8 : size == 2 ? Type::int16 : size == 4 ? Type::int32 : Type::int64; return size <= 8;
        case 'f':
            type = size == 2 ? Type::float16 : size == 4 ? Type::float32 : Type::float64;
#ifndef FALTUNG_FLOAT16
            if (size == 2) return false;
#endif
            return size <= 8;
        default: return false;
    }
}

int number_of(Type type) {
    switch (type) {
        case Type::int8: return NPY_INT8;
        case Type::int16: return NPY_INT16;
        case Type::int32: return NPY_INT32;
        case Type::int64: return NPY_INT64;
        case Type::float32: return NPY_FLOAT32;
        default: return NPY_FLOAT64;
    }
}

bool is_float(Type type) { return type >= Type::float16; }


// How NumPy gets and returns the memory of large answers.
PyDataMem_Handler handler = {
    "faltung",
    1,
    {nullptr, [](void*, std::size_t bytes) { return take(bytes); },
     [](void*, std::size_t count, std::size_t bytes) -> void* {
         if (bytes && count > PY_SSIZE_T_MAX / bytes) return nullptr;
         void* made = take(count * bytes);
         return made ? std::memset(made, 0, count * bytes) : nullptr;
     },
     [](void*, void* old, std::size_t bytes) -> void* {
         if (old && bytes <= room_of(old)) return old;
         void* made = take(bytes);
         if (made && old) std::memcpy(made, old, room_of(old)), give(old);
         return made;
     },
     [](void*, void* memory, std::size_t) { give(memory); }}};

// A new array for answers, not filled.
PyObject* new_answers(int axes, npy_intp* shape, PyArray_Descr* type) {  // takes the reference to the type
    double bytes = double(PyDataType_ELSIZE(type));
    for (int axis = 0; axis < axes; ++axis) bytes *= double(shape[axis]);
    if (bytes < LARGE) return PyArray_NewFromDescr(&PyArray_Type, type, axes, shape, nullptr, nullptr, 0, nullptr);
    static PyObject* const ours = PyCapsule_New(&handler, "mem_handler", nullptr);
    PyObject* usual = ours ? PyDataMem_SetHandler(ours) : nullptr;
    if (!usual) {
        Py_DECREF(type);
        return nullptr;
    }
    PyObject* made = PyArray_NewFromDescr(&PyArray_Type, type, axes, shape, nullptr, nullptr, 0, nullptr);
    PyObject* again = PyDataMem_SetHandler(usual);
    Py_DECREF(usual);
    if (!again) Py_CLEAR(made);
    Py_XDECREF(again);
    return made;
}

// empty(shape, dtype): a new array for answers, not filled.
PyObject* empty(PyObject*, PyObject* args) {
    PyArray_Dims shape{nullptr, 0};
    PyArray_Descr* type = nullptr;
    PyObject* made = nullptr;
    if (PyArg_ParseTuple(args, "O&O&", PyArray_IntpConverter, &shape, PyArray_DescrConverter, &type)) {
        if (PyDataType_REFCHK(type) || PyDataType_ELSIZE(type) == 0) PyErr_SetString(PyExc_TypeError, "numbers are wanted");
        else {
            made = new_answers(shape.len, shape.ptr, type);
            type = nullptr;
        }
    }
    Py_XDECREF(type);
    PyDimMem_FREE(shape.ptr);
    return made;
}

// Asks Python, at most every twentieth of a second, whether Ctrl-C was pressed. Called without the GIL.
class Interrupt {
    std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();

public:
    bool operator()() {
        const auto now = std::chrono::steady_clock::now();
        if (now - last < std::chrono::milliseconds(50)) return false;
        last = now;
        const PyGILState_STATE state = PyGILState_Ensure();
        const bool pressed = PyErr_CheckSignals() != 0;
        PyGILState_Release(state);
        return pressed;
    }
};

// Planes are pictures of a batch: jobs alike but for where they read and write. A piece is some rows of one.
struct Planes {
    std::vector<Size> shape, image_steps, answer_steps;

    Size count() const {
        Size product = 1;
        for (Size size : shape) product *= size;
        return product;
    }

    void shift(Job& job, Size plane) const {
        for (Size axis = Size(shape.size()); axis-- > 0;) {
            const Size at = plane % shape[axis];
            plane /= shape[axis];
            job.image += at * image_steps[axis];
            job.answer += at * answer_steps[axis];
        }
    }
};

constexpr double PIECE = 2e6;  // multiplications that are worth handing to a thread
constexpr double PATIENCE = 2e9;  // and those after which Ctrl-C is looked at, whatever the seams cost
constexpr Size TOGETHER = 4;      // tiles that are handed to a thread together

bool compute_tiles(const Job& job, const Planes& planes, int threads, const Level& level, std::atomic<bool>& finite) {
    const Size count = planes.count(), tiles = job.tiles(), groups = (tiles + TOGETHER - 1) / TOGETHER;
    Interrupt interrupt;
    return run_pieces(
        groups * count, threads,
        [&](Size piece) {
            Job one = job;
            planes.shift(one, piece / groups);
            const Size first = piece % groups * TOGETHER;
            if (!level.tiles(one, first, std::min(first + TOGETHER, tiles))) finite = false;
        },
        [&] { return interrupt(); });
}

bool compute(const Job& job, const Planes& planes, int threads, const Level& level) {
    const Size count = planes.count();
    const double row = double(job.x.answers) * double(job.kernels) *
                       (job.rank ? double(job.rank) * double(job.x.taps + job.y.taps) : double(job.x.taps) * double(job.y.taps));
    const double plane = row * double(job.y.answers);
    // Rows at the seams are made twice; pieces of many rows keep that small. They do not depend on the threads.
    const Size least = 4 * job.y.extent(1) / job.y.stride + 4;
    Size rows = std::max<Size>(least, Size(PIECE / std::max(row, 1.0)));
    if (double(rows) * row > PATIENCE) rows = Size(PATIENCE / row);
    rows = std::min(job.y.answers, std::max<Size>(1, (rows + 3) / 4) * 4);
    const Size bands = rows ? (job.y.answers + rows - 1) / rows : 0;
    const Size together = bands > 1 ? 1 : std::max<Size>(1, Size(PIECE / std::max(plane, 1.0)));
    const Size groups = (count + together - 1) / together;
    Interrupt interrupt;
    return run_pieces(
        groups * bands, threads,
        [&](Size piece) {
            const Size first = piece % bands * rows, group = piece / bands;
            for (Size at = group * together; at < std::min(count, (group + 1) * together); ++at) {
                Job one = job;
                planes.shift(one, at);
                level.band(one, first, std::min(first + rows, job.y.answers));
            }
        },
        [&] { return interrupt(); });
}

int read_axis(PyObject* object, void* to) {
    if (!PyTuple_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "an axis is a tuple of six numbers");
        return 0;
    }
    Axis& axis = *static_cast<Axis*>(to);
    return PyArg_ParseTuple(object, "nnnnnn", &axis.pixels, &axis.answers, &axis.taps, &axis.stride, &axis.dilation,
                            &axis.before);
}

int read_array(PyObject* object, void* to) {
    if (!PyArray_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "an array is wanted");
        return 0;
    }
    *static_cast<PyArrayObject**>(to) = reinterpret_cast<PyArrayObject*>(object);
    return 1;
}

PyObject* wrong(const char* what) {
    PyErr_SetString(PyExc_ValueError, what);
    return nullptr;
}

// Calls a function without the GIL; false where it has run out of something, the exception set. Only C++'s own
// exceptions are caught: a thread that Python ends while the interpreter shuts down unwinds through here too.
template <class F> bool without_python(F&& body) {
    const char* problem = nullptr;
    bool out_of_memory = false;
    PyThreadState* released = PyEval_SaveThread();
    try {
        body();
    } catch (const std::bad_alloc&) {
        out_of_memory = true;
    } catch (const std::exception&) {
        problem = "the system gives no more";
    }
    PyEval_RestoreThread(released);
    if (out_of_memory) PyErr_NoMemory();
    else if (problem) PyErr_SetString(PyExc_RuntimeError, problem);
    return !out_of_memory && !problem;
}

// As long as the longest padded axis and as the steps of faltung.filters: numbers so small that no product overflows.
constexpr Size LONGEST = 1 << 26, WIDEST_STEP = 1 << 16;

// What is impossible about an axis, or nullptr.
const char* problem_of(const Axis& axis) {
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

bool is_side(Size side, const Axis& axis) {
    return side >= 16 && side <= 1 << 14 && (side & (side - 1)) == 0 && axis.extent(1) <= side;
}

// run(image (..., H, W), taps, answer (..., N, H', W'), y, x, boundary, rank, threads, tile_y, tile_x, spectra): see
// Job. Every size is checked against the arrays, so that nothing outside them is read or written. Says whether all
// answers are finite where spectra were given; else True.
PyObject* run(PyObject*, PyObject* args) {
    PyArrayObject *image, *taps, *answer;
    PyObject* spectra;
    Job job{};
    int boundary, threads;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&ininnO", read_array, &image, read_array, &taps, read_array, &answer, read_axis,
                          &job.y, read_axis, &job.x, &boundary, &job.rank, &threads, &job.tile_y, &job.tile_x, &spectra))
        return nullptr;
    if (boundary < 0 || boundary > 3) return wrong("no such boundary");
    job.y.boundary = job.x.boundary = static_cast<Boundary>(boundary);
    const int rank = PyArray_NDIM(image);
    if (rank < 2 || PyArray_NDIM(answer) != rank + 1) return wrong("the answer needs one axis more than the image");
    for (const Axis* axis : {&job.y, &job.x})
        if (const char* problem = problem_of(*axis)) return wrong(problem);
    const npy_intp *shape = PyArray_DIMS(image), *to = PyArray_DIMS(answer);
    if (shape[rank - 2] != job.y.pixels || shape[rank - 1] != job.x.pixels || to[rank - 1] != job.y.answers ||
        to[rank] != job.x.answers)
        return wrong("the axes are not those of the arrays");
    if (!type_of(image, job.pixel) || !type_of(answer, job.result) || !type_of(taps, job.summed))
        return wrong("no such type");
    if (job.summed != Type::int16 && job.summed != Type::int32 && job.summed != Type::int64 &&
        job.summed != Type::float32 && job.summed != Type::float64)
        return wrong("no sums in this type");
    const bool whole = job.result == Type::int8 || job.result == Type::int16 || job.result == Type::int32 || job.result == Type::int64;
    const bool spectral = spectra != Py_None;
    if ((!spectral && whole == is_float(job.summed)) || (!whole && !is_float(job.result)) || (is_float(job.pixel) && !is_float(job.summed)))
        return wrong("the answers are not of a type of sums");
    if (!PyArray_ISCARRAY_RO(taps) || !PyArray_ISNOTSWAPPED(answer) || !PyArray_ISWRITEABLE(answer))
        return wrong("the taps must be contiguous and the answer writeable");
    job.kernels = to[rank - 2];
    if (job.rank < 0 || job.rank > 4096 || (job.rank && job.kernels != 1)) return wrong("an impossible rank");
    const double needed = job.rank ? double(job.rank) * double(job.y.taps + job.x.taps)
                                   : double(job.kernels) * double(job.y.taps) * double(job.x.taps);
    if (double(PyArray_SIZE(taps)) != needed) return wrong("the number of taps is another");

    if (spectral) {
        PyArrayObject* given = reinterpret_cast<PyArrayObject*>(spectra);
        Type type;
        if (!PyArray_Check(spectra) || !PyArray_ISCARRAY_RO(given) || !type_of(given, type) || type != job.summed ||
            !is_float(type) || job.rank || !is_side(job.tile_y, job.y) || !is_side(job.tile_x, job.x) ||
            double(PyArray_SIZE(given)) != 2.0 * double(job.kernels) * double(job.tile_y) * double(job.tile_x))
            return wrong("the spectra are not those of the taps");
        job.spectra = PyArray_DATA(given);
    }

    Planes planes;
    for (int axis = 0; axis < rank - 2; ++axis) {
        if (shape[axis] != to[axis]) return wrong("image and answer differ in their batch");
        planes.shape.push_back(shape[axis]);
        planes.image_steps.push_back(PyArray_STRIDE(image, axis));
        planes.answer_steps.push_back(PyArray_STRIDE(answer, axis));
    }
    job.image = PyArray_BYTES(image);
    job.image_row = PyArray_STRIDE(image, rank - 2);
    job.image_column = PyArray_STRIDE(image, rank - 1);
    job.swapped = PyArray_ISBYTESWAPPED(image);
    job.answer = PyArray_BYTES(answer);
    job.answer_kernel = PyArray_STRIDE(answer, rank - 2);
    job.answer_row = PyArray_STRIDE(answer, rank - 1);
    job.answer_column = PyArray_STRIDE(answer, rank);
    job.taps = PyArray_DATA(taps);
    if (PyArray_SIZE(answer) == 0 || PyArray_SIZE(image) == 0) Py_RETURN_TRUE;

    bool finished = false;
    std::atomic<bool> finite{true};
    const Level& level = levels()[std::size_t(level_in_use)];
    if (!without_python([&] {
            finished = spectral ? compute_tiles(job, planes, threads, level, finite) : compute(job, planes, threads, level);
        }))
        return nullptr;
    if (!finished) return nullptr;  // interrupted: the signal's exception is set
    return PyBool_FromLong(finite);
}

// spectrum(taps (N, kh, kw), dilation y, dilation x, tile_y, tile_x): the spectra that `run` takes.
PyObject* spectrum(PyObject*, PyObject* args) {
    PyArrayObject* taps;
    Job job{};
    if (!PyArg_ParseTuple(args, "O&nnnn", read_array, &taps, &job.y.dilation, &job.x.dilation, &job.tile_y, &job.tile_x))
        return nullptr;
    if (PyArray_NDIM(taps) != 3 || !PyArray_ISCARRAY_RO(taps) || !type_of(taps, job.summed) ||
        (job.summed != Type::float32 && job.summed != Type::float64) || PyArray_SIZE(taps) == 0)
        return wrong("the taps must be floats of shape (N, kh, kw)");
    job.kernels = PyArray_DIM(taps, 0);
    job.y.pixels = job.x.pixels = 1 << 14;
    job.y.taps = PyArray_DIM(taps, 1);
    job.x.taps = PyArray_DIM(taps, 2);
    for (const Axis* axis : {&job.y, &job.x})
        if (const char* problem = problem_of(*axis)) return wrong(problem);
    if (!is_side(job.tile_y, job.y) || !is_side(job.tile_x, job.x)) return wrong("no such tiles");
    job.taps = PyArray_DATA(taps);
    npy_intp shape[] = {job.kernels, 2, job.tile_x, job.tile_y};
    PyObject* made = PyArray_SimpleNew(4, shape, number_of(job.summed));
    if (!made) return nullptr;
    const Size points = job.tile_y * job.tile_x, together = std::max<Size>(1, (1 << 20) / points);
    const Size taps_bytes = job.y.taps * job.x.taps * PyArray_ITEMSIZE(taps), bytes = 2 * points * PyArray_ITEMSIZE(taps);
    char* to = PyArray_BYTES(reinterpret_cast<PyArrayObject*>(made));
    const Level& level = levels()[std::size_t(level_in_use)];
    bool finished = false;
    Interrupt interrupt;
    if (!without_python([&] {
            finished = run_pieces(
                (job.kernels + together - 1) / together, 1,
                [&](Size piece) {
                    Job one = job;
                    one.kernels = std::min(together, job.kernels - piece * together);
                    one.taps = PyArray_BYTES(taps) + piece * together * taps_bytes;
                    level.spectrum(one, to + piece * together * bytes);
                },
                [&] { return interrupt(); });
        }) ||
        !finished)
        Py_CLEAR(made);
    return made;
}


// Quick calls: what a small picture costs is looking at the arguments. `quick` does those from end to end where direct
// sums, or two passes, are surely best, and declines the rest (None), which then take the way that also explains what is wrong.

constexpr long QUICK_WORK = 1500000;  // multiplications that no other way is worth looking for
constexpr long QUICK_TAPS = 25;      // no other way is better, whatever the picture's size
constexpr long QUICK_PASSES = 256;   // answers from which it is worth looking whether a kernel has rank 1

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

// The taps as they are summed, or the factors of one kernel where two passes are sooner; `job` is told which.
template <class To, class From> std::vector<char> prepared(const std::vector<From>& given, Job& job) {
    const std::vector<To> taps(given.begin(), given.end());
    if (job.kernels == 1 && double(job.y.answers) * double(job.x.answers) > QUICK_PASSES &&
        worth_separating(job.y.taps, job.x.taps, !std::is_floating_point<To>::value)) {
        const std::vector<To> factors = separated(taps.data(), job.y.taps, job.x.taps);
        if (!factors.empty()) {
            job.rank = 1;
            return bytes_of(factors);
        }
    }
    return bytes_of(taps);
}

// Whether an array given for the answers can take them just so.
bool takes(PyArrayObject* out, int axes, const npy_intp* shape, Type type, PyArrayObject* image) {
    Type given;
    if (PyArray_NDIM(out) != axes || !type_of(out, given) || given != type || !PyArray_ISNOTSWAPPED(out) || !PyArray_ISWRITEABLE(out))
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

// quick(image (..., H, W), kernel (kh, kw) or (N, kh, kw), padding, stride, dilation, boundary, flip, threads, out)
PyObject* quick(PyObject*, PyObject* const* args, Py_ssize_t count) {
    if (count != 9) return wrong("quick takes 9 arguments");
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
    const Size size = job.y.taps * job.x.taps, many = planes.count();
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
        made = new_answers(to, shape, PyArray_DescrFromType(number_of(job.result)));
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
    const Level& level = levels()[std::size_t(level_in_use)];
    bool finished = true, done = true;
    if (small && many == 1) {
        try {
            level.band(job, 0, job.y.answers);
        } catch (const std::exception&) {
            done = false;
        }
    } else {
        done = without_python([&] { finished = compute(job, planes, threads, level); });
    }
    if (finished && done) return made;
    Py_DECREF(made);
    if (!finished) return nullptr;  // interrupted
    PyErr_Clear();  // no memory is left for this, which the other way tells
    Py_RETURN_NONE;
}

// is_sooner_apart(kh, kw, whole)
PyObject* is_sooner_apart(PyObject*, PyObject* args) {
    Size kh, kw;
    int whole;
    if (!PyArg_ParseTuple(args, "nnp", &kh, &kw, &whole)) return nullptr;
    return PyBool_FromLong(worth_separating(kh, kw, whole));
}

PyObject* level(PyObject*, PyObject*) { return PyUnicode_FromString(levels()[std::size_t(level_in_use)].name); }

PyObject* level_names(PyObject*, PyObject*) {
    PyObject* names = PyList_New(0);
    for (const Level& level : levels()) {
        PyObject* name = names ? PyUnicode_FromString(level.name) : nullptr;
        if (!name || PyList_Append(names, name) < 0) Py_CLEAR(names);
        Py_XDECREF(name);
    }
    return names;
}

PyObject* use_level(PyObject*, PyObject* arg) {
    const char* wanted = PyUnicode_AsUTF8(arg);
    if (!wanted) return nullptr;
    for (std::size_t i = 0; i < levels().size(); ++i)
        if (!std::strcmp(levels()[i].name, wanted)) {
            level_in_use = Size(i);
            Py_RETURN_NONE;
        }
    return wrong("this machine has no such level");
}

PyMethodDef methods[] = {
    {"run", run, METH_VARARGS, "run(image, taps, answer, y, x, boundary, rank, threads, tile_y, tile_x, spectra)"},
    {"spectrum", spectrum, METH_VARARGS, "spectrum(taps, dilation_y, dilation_x, tile_y, tile_x)"},
    {"quick", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(quick)), METH_FASTCALL,
     "quick(image, kernel, padding, stride, dilation, boundary, flip, threads, out), or None"},
    {"empty", empty, METH_VARARGS, "empty(shape, dtype): a new array for answers, not filled."},
    {"is_sooner_apart", is_sooner_apart, METH_VARARGS,
     "is_sooner_apart(kh, kw, whole): whether two passes are sooner than direct sums, of whole numbers or floats."},
    {"levels", level_names, METH_NOARGS, "The levels of vector instructions that this machine can run, the best first."},
    {"level", level, METH_NOARGS, "The level in use."},
    {"use_level", use_level, METH_O, "Choose one of the levels."},
    {nullptr, nullptr, 0, nullptr},
};

int prepare(PyObject* made) {
    import_array1(-1);
    try {
        levels();
        prepare_for_fork();
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
        return -1;
    }
#ifdef FALTUNG_FLOAT16
    constexpr long half = 1;
#else
    constexpr long half = 0;
#endif
    return PyModule_AddIntConstant(made, "QUICK_WORK", QUICK_WORK) < 0 ||
                   PyModule_AddIntConstant(made, "QUICK_TAPS", QUICK_TAPS) < 0 ||
                   PyModule_AddIntConstant(made, "QUICK_PASSES", QUICK_PASSES) < 0 ||
                   PyModule_AddIntConstant(made, "FLOAT16", half) < 0
               ? -1
               : 0;
}

// What calls share is the level in use, which is atomic, and the threads, which are behind locks: no GIL is needed.
PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(prepare)},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},  // nor does NumPy
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, nullptr},
};

PyModuleDef module = {PyModuleDef_HEAD_INIT, "_core", "The compiled loops of faltung.filters.", 0, methods, slots, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__core() { return PyModuleDef_Init(&module); }
