// SPDX-License-Identifier: MIT
/// Canonical bytes of arguments: equal for equal contents of the same types, whatever the order of
/// sets and dicts; different otherwise.
///
/// Deterministic CBOR (RFC 8949, section 4.2) of what has a canonical form: `None`, `bool`, `int`,
/// `float`, `str`, `bytes`, and `list`, `tuple`, `dict`, `set`, `frozenset` of these, exact types
/// only.
#pragma once

#include <string>

#include "object.hpp"

namespace dcache::python {

/// True: arguments of this type are keyed by their canonical bytes if they have any.
bool keyed_by_content(PyTypeObject* type) noexcept;

/// Appends the canonical bytes of `object`. False: it, or something in it, has no canonical form;
/// `bytes` is in no defined state then. Runs no Python but allocation. Throws `Raised`
/// (RecursionError) for what is nested too deeply.
bool append_canonical(PyObject* object, std::string& bytes);

/// An object that stands for the canonical bytes in a key: equal to none but another such with the
/// same bytes, and of a type that no argument has. Empty: no canonical form.
Object canonical_key(PyObject* object);

/// True: the type of those objects. They are bytes.
bool is_canonical_key(PyTypeObject* type) noexcept;

/// Makes that type. To be called once, before anything else here. False: a Python error is set.
bool prepare_canonical();

}  // namespace dcache::python
