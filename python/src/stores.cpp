// SPDX-License-Identifier: MIT
#include "stores.hpp"

#include <string>
#include <string_view>
#include <utility>

#include "dcache/backends/file.hpp"
#include "dcache/backends/redis.hpp"
#include "dcache/engine/open.hpp"

#include "guarded.hpp"
#include "options.hpp"

namespace dcache::python {
namespace {

PyObject* file_backend(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject* path = nullptr;
    unsigned long long max_bytes = 0;
    int allow_shared = 0;
    if (PyArg_ParseTuple(args, "O&Kp", PyUnicode_FSConverter, static_cast<void*>(&path), &max_bytes,
                         &allow_shared) == 0) {
      throw Raised();
    }
    const Object held = Object::owned(path);
    const FileOptions options{max_bytes, allow_shared != 0};
    const std::string text(PyBytes_AS_STRING(path),
                           static_cast<std::size_t>(PyBytes_GET_SIZE(path)));
    return make_backend(std::make_shared<FileBackend>(text, options)).release();
  });
}

PyObject* redis_backend(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char *host = nullptr, *path = nullptr, *username = nullptr, *password = nullptr,
               *ca_file = nullptr, *certificate_file = nullptr, *key_file = nullptr,
               *server_name = nullptr;
    unsigned short port = 0;
    unsigned int db = 0;
    int tls = 0, verify = 1;
    PyObject *timeout = nullptr, *connect_timeout = nullptr, *lease = nullptr;
    if (PyArg_ParseTuple(args, "sHIssspsssspOOO", &host, &port, &db, &path, &username, &password,
                         &tls, &ca_file, &certificate_file, &key_file, &server_name, &verify,
                         &timeout, &connect_timeout, &lease) == 0) {
      throw Raised();
    }
    RedisOptions options;
    options.host = host;
    options.port = port;
    options.db = db;
    options.path = path;
    options.username = username;
    options.password = password;
    options.tls = tls != 0;
    options.ca_file = ca_file;
    options.certificate_file = certificate_file;
    options.key_file = key_file;
    options.server_name = server_name;
    options.verify = verify != 0;
    options.timeout = seconds_of(timeout);
    options.connect_timeout = seconds_of(connect_timeout);
    options.lease = seconds_of(lease);
    return make_backend(std::make_shared<RedisBackend>(std::move(options))).release();
  });
}

PyObject* open_backend(PyObject*, PyObject* url) {
  return guarded([&]() -> PyObject* {
    Py_ssize_t size = 0;
    const char* const text = PyUnicode_AsUTF8AndSize(url, &size);
    if (text == nullptr) throw Raised();
    const std::string_view whole(text, static_cast<std::size_t>(size));
    return make_backend(engine::open_backend(whole)).release();
  });
}

PyMethodDef functions[] = {
    {"file_backend", file_backend, METH_VARARGS, "(path, max_bytes, allow_shared)"},
    {"open_backend", open_backend, METH_O, "By URL."},
    {"redis_backend", redis_backend, METH_VARARGS, "The options of `RedisBackend`, in order."},
    {}};

}  // namespace

bool prepare_stores(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace dcache::python
