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
#include <cstring>
#include <new>
#include <vector>

#include "levels.hpp"
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
#ifndef __FLT16_MAX__
            if (size == 2) return false;
#endif
            return size <= 8;
        default: return false;
    }
}

bool is_float(Type type) { return type >= Type::float16; }


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

bool compute(const Job& job, const Planes& planes, int threads, Band band) {
    const Size count = planes.count();
    const double row = double(job.x.answers) * double(job.kernels) *
                       (job.rank ? double(job.rank) * double(job.x.taps + job.y.taps) : double(job.x.taps) * double(job.y.taps));
    const double plane = row * double(job.y.answers);
    // Rows at the seams are made twice; pieces of many rows keep that small. They do not depend on the threads.
    const Size least = 4 * job.y.extent(1) / job.y.stride + 4;
    Size rows = std::max<Size>(least, Size(PIECE / std::max(row, 1.0)));
    rows = std::min(job.y.answers, (rows + 3) / 4 * 4);
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
                band(one, first, std::min(first + rows, job.y.answers));
            }
        },
        [&] { return interrupt(); });
}

int read_axis(PyObject* object, void* to) {
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

bool wrong(const char* what) {
    PyErr_SetString(PyExc_ValueError, what);
    return false;
}

bool check_axis(const Axis& axis) {
    if (axis.pixels < 1 || axis.answers < 0 || axis.taps < 1 || axis.stride < 1 || axis.dilation < 1 || axis.before < 0)
        return wrong("an axis of impossible numbers");
    const Size limit = Size(1) << 40;
    if (axis.pixels > limit || axis.answers > limit || axis.taps > limit || axis.stride > limit || axis.dilation > limit ||
        axis.before > limit || double(axis.extent(axis.answers)) > double(limit) ||
        double(axis.dilation) * double(axis.taps) > double(limit) || double(axis.stride) * double(axis.answers) > double(limit))
        return wrong("an axis too long");
    if (axis.answers == 0) return true;
    const Size after = axis.extent(axis.answers) - axis.before - axis.pixels;
    const Size most = axis.boundary == Boundary::reflect ? axis.pixels - 1 : axis.boundary == Boundary::circular ? axis.pixels : limit;
    if (axis.before > most || after > most) return wrong("more padding than the boundary can give");
    return true;
}

// run(image (..., H, W), taps, answer (..., N, H', W'), y, x, boundary, rank, threads): see Job. Every size is checked
// against the arrays, so that nothing outside them is read or written.
PyObject* run(PyObject*, PyObject* args) {
    PyArrayObject *image, *taps, *answer;
    Job job{};
    int boundary, threads;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&ini", read_array, &image, read_array, &taps, read_array, &answer, read_axis,
                          &job.y, read_axis, &job.x, &boundary, &job.rank, &threads))
        return nullptr;
    if (boundary < 0 || boundary > 3) return wrong("no such boundary"), nullptr;
    job.y.boundary = job.x.boundary = static_cast<Boundary>(boundary);
    const int rank = PyArray_NDIM(image);
    if (rank < 2 || PyArray_NDIM(answer) != rank + 1) return wrong("the answer needs one axis more than the image"), nullptr;
    if (!check_axis(job.y) || !check_axis(job.x)) return nullptr;
    const npy_intp *shape = PyArray_DIMS(image), *to = PyArray_DIMS(answer);
    if (shape[rank - 2] != job.y.pixels || shape[rank - 1] != job.x.pixels || to[rank - 1] != job.y.answers ||
        to[rank] != job.x.answers)
        return wrong("the axes are not those of the arrays"), nullptr;
    if (!type_of(image, job.pixel) || !type_of(answer, job.result) || !type_of(taps, job.summed))
        return wrong("no such type"), nullptr;
    if (job.summed != Type::int16 && job.summed != Type::int32 && job.summed != Type::int64 &&
        job.summed != Type::float32 && job.summed != Type::float64)
        return wrong("no sums in this type"), nullptr;
    if (is_float(job.result) != is_float(job.summed) || (is_float(job.pixel) && !is_float(job.summed)) ||
        job.result == Type::boolean || (job.result >= Type::uint16 && job.result <= Type::uint64 && job.result != Type::int16 && job.result != Type::int32) ||
        job.result == Type::uint8)
        return wrong("the answers are not of a type of sums"), nullptr;
    if (!PyArray_ISCARRAY_RO(taps) || !PyArray_ISNOTSWAPPED(answer) || !PyArray_ISWRITEABLE(answer))
        return wrong("the taps must be contiguous and the answer writeable"), nullptr;
    job.kernels = to[rank - 2];
    if (job.rank < 0 || job.rank > 4096 || (job.rank && job.kernels != 1)) return wrong("an impossible rank"), nullptr;
    const double needed = job.rank ? double(job.rank) * double(job.y.taps + job.x.taps)
                                   : double(job.kernels) * double(job.y.taps) * double(job.x.taps);
    if (double(PyArray_SIZE(taps)) != needed) return wrong("the number of taps is another"), nullptr;

    Planes planes;
    for (int axis = 0; axis < rank - 2; ++axis) {
        if (shape[axis] != to[axis]) return wrong("image and answer differ in their batch"), nullptr;
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
    if (PyArray_SIZE(answer) == 0 || PyArray_SIZE(image) == 0) Py_RETURN_NONE;

    bool finished = false, out_of_memory = false;
    Py_BEGIN_ALLOW_THREADS
    try {
        finished = compute(job, planes, threads, levels()[level_in_use].band);
    } catch (const std::bad_alloc&) {
        out_of_memory = true;
    }
    Py_END_ALLOW_THREADS
    if (out_of_memory) return PyErr_NoMemory();
    if (!finished) return nullptr;  // interrupted: the signal's exception is set
    Py_RETURN_NONE;
}

PyObject* level_names(PyObject*, PyObject*) {
    PyObject* names = PyList_New(0);
    for (const Level& level : levels()) {
        PyObject* name = PyUnicode_FromString(level.name);
        PyList_Append(names, name);
        Py_DECREF(name);
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
    return wrong("this machine has no such level"), nullptr;
}

PyMethodDef methods[] = {
    {"run", run, METH_VARARGS, "run(image, taps, answer, y, x, boundary, rank, threads)"},
    {"levels", level_names, METH_NOARGS, "The levels of vector instructions that this machine can run, the best first."},
    {"use_level", use_level, METH_O, "Choose one of the levels."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef module = {PyModuleDef_HEAD_INIT, "_core", "The compiled loops of faltung.filters.", -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__core() {
    import_array();
    return PyModule_Create(&module);
}
