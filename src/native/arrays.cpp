#include "arrays.hpp"

#include <cstring>

#include "memory.hpp"

namespace faltung {

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

// How NumPy gets and returns the memory of large answers.
static PyDataMem_Handler handler = {
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

PyObject* new_answers(int axes, npy_intp* shape, PyArray_Descr* type) {
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

PyObject* new_answers_like(PyArrayObject* image, int axes, npy_intp* shape, PyArray_Descr* type) {
    const Size size = PyArray_ITEMSIZE(image);
    if (axes != 3 || PyArray_NDIM(image) != 3 || PyArray_DIM(image, 0) < 2 || PyArray_STRIDE(image, 0) != size ||
        PyArray_STRIDE(image, 2) != size * PyArray_DIM(image, 0))
        return new_answers(axes, shape, type);
    npy_intp last[] = {shape[1], shape[2], shape[0]}, order[] = {2, 0, 1};
    PyObject* made = new_answers(3, last, type);
    PyArray_Dims turn{order, 3};
    PyObject* turned = made ? PyArray_Transpose(reinterpret_cast<PyArrayObject*>(made), &turn) : nullptr;
    Py_XDECREF(made);
    return turned;
}

PyObject* empty(PyObject*, PyObject* args) {
    PyObject* image = Py_None;
    PyArray_Dims shape{nullptr, 0};
    PyArray_Descr* type = nullptr;
    PyObject* made = nullptr;
    if (PyArg_ParseTuple(args, "O&O&|O", PyArray_IntpConverter, &shape, PyArray_DescrConverter, &type, &image)) {
        if (image != Py_None && !PyArray_Check(image)) PyErr_SetString(PyExc_TypeError, "an array is wanted");
        else if (PyDataType_REFCHK(type) || PyDataType_ELSIZE(type) == 0) PyErr_SetString(PyExc_TypeError, "numbers are wanted");
        else {
            made = image == Py_None ? new_answers(shape.len, shape.ptr, type)
                                    : new_answers_like(reinterpret_cast<PyArrayObject*>(image), shape.len, shape.ptr, type);
            type = nullptr;
        }
    }
    Py_XDECREF(type);
    PyDimMem_FREE(shape.ptr);
    return made;
}

}  // namespace faltung
