// SPDX-License-Identifier: MIT
// `FarSide`: the far tiers of one function, as the package makes it.
#include <new>

#include "errors.hpp"
#include "far.hpp"
#include "guarded.hpp"
#include "options.hpp"
#include "value_classes.hpp"

namespace dcache::python {
namespace {

struct FarSide {
  PyObject_HEAD Far* far;
};

PyTypeObject* type_of_side = nullptr;

std::string_view text_of(PyObject* text) {
  Py_ssize_t size = 0;
  const char* const bytes = PyUnicode_AsUTF8AndSize(text, &size);
  if (bytes == nullptr) throw Raised();
  return {bytes, static_cast<std::size_t>(size)};
}

PyObject* make(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* const names[] = {"chain",      "namespace", "name",       "version",
                                        "secret",     "codec",     "codec_name", "near_ttl",
                                        "unstorable", "named",     nullptr};
    PyObject *chain = nullptr, *space = nullptr, *name = nullptr, *version = nullptr,
             *codec = nullptr, *codec_name = nullptr, *near_ttl = Py_None;
    const char* secret = nullptr;
    Py_ssize_t secret_size = 0;
    int unstorable = 0, named = 1;
    if (PyArg_ParseTupleAndKeywords(args, kwargs, "OUUUy#OUOip", const_cast<char**>(names), &chain,
                                    &space, &name, &version, &secret, &secret_size, &codec,
                                    &codec_name, &near_ttl, &unstorable, &named) == 0) {
      throw Raised();
    }
    if (!is_chain(chain)) {
      PyErr_SetString(PyExc_TypeError, "expected a Chain");
      throw Raised();
    }
    auto far = std::make_unique<Far>();
    far->function = std::make_shared<engine::FarFunction>(
        chain_of(chain), text_of(space), text_of(name), text_of(version),
        std::string_view(secret, static_cast<std::size_t>(secret_size)));
    far->chain = Object::shared(chain);
    far->codec = Object::shared(codec);
    far->codec_name = text_of(codec_name);
    far->is_plain = is_value_codec(codec);
    if (near_ttl != Py_None) far->near_ttl = seconds_of(near_ttl);
    far->unstorable = static_cast<Unstorable>(unstorable);
    far->named = named != 0;
    Object self = Object::checked(type->tp_alloc(type, 0));
    reinterpret_cast<FarSide*>(self.get())->far = far.release();
    return self.release();
  });
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  const Far* const far = reinterpret_cast<FarSide*>(self)->far;
  if (far == nullptr) return 0;
  Py_VISIT(far->chain.get());
  Py_VISIT(far->codec.get());
  return 0;
}

void destroy(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  delete reinterpret_cast<FarSide*>(self)->far;
  type->tp_free(self);
  Py_DECREF(type);
}

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("What a function's calls need to know of its far tiers.")},
    {Py_tp_new, reinterpret_cast<void*>(make)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
    {0, nullptr}};
PyType_Spec spec = {"dcache._engine.FarSide", sizeof(FarSide), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};

}  // namespace

const Far* far_of(PyObject* object) noexcept {
  if (Py_TYPE(object) != type_of_side) return nullptr;
  return reinterpret_cast<FarSide*>(object)->far;
}

bool prepare_far(PyObject* module) {
  type_of_side = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  return type_of_side != nullptr &&
         PyModule_AddObjectRef(module, "FarSide", reinterpret_cast<PyObject*>(type_of_side)) == 0;
}

}  // namespace dcache::python
