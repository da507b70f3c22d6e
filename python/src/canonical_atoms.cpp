// SPDX-License-Identifier: MIT
#include "canonical_atoms.hpp"

#include <cstdint>
#include <vector>

#include "dcache/engine/cbor.hpp"
#include "dcache/engine/cbor_tags.hpp"

namespace dcache::python {
namespace {

namespace cbor = engine::cbor;

constexpr bool is_surrogate(std::uint32_t point) noexcept {
  return point >= 0xD800 && point <= 0xDFFF;
}

// The interpreter's own encoder would leave its copy on the string for as long as that lives.
template <class Unit>
void append_units(const Unit* units, std::size_t count, std::string& bytes) {
  std::size_t size = 0;
  bool surrogates = false;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t point = units[i];
    size += point < 0x80 ? 1U : point < 0x800 ? 2U : point < 0x10000 ? 3U : 4U;
    surrogates |= is_surrogate(point);
  }
  if (surrogates) cbor::append_tag(bytes, cbor::surrogates_tag);
  cbor::append_head(bytes, surrogates ? cbor::Major::bytes : cbor::Major::text, size);
  std::size_t at = bytes.size();
  bytes.resize(at + size);
  const auto put = [&](std::uint32_t byte) { bytes[at++] = static_cast<char>(byte); };
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t point = units[i];
    if (point < 0x80) {
      put(point);
      continue;
    }
    if (point < 0x800) {
      put(0xC0U | point >> 6U);
    } else {
      if (point < 0x10000) {
        put(0xE0U | point >> 12U);
      } else {
        put(0xF0U | point >> 18U);
        put(0x80U | (point >> 12U & 0x3FU));
      }
      put(0x80U | (point >> 6U & 0x3FU));
    }
    put(0x80U | (point & 0x3FU));
  }
}

}  // namespace

void append_int(PyObject* number, std::string& bytes) {
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (overflow == 0) return cbor::append_int(bytes, value);
  // -1 - n for a negative n: what the RFC encodes.
  const Object magnitude =
      overflow > 0 ? Object::shared(number) : Object::checked(PyNumber_Invert(number));
  const std::size_t bits = _PyLong_NumBits(magnitude.get());
  std::vector<unsigned char> digits((bits + 7) / 8);
#if PY_VERSION_HEX >= 0x030D0000
  const int failed = _PyLong_AsByteArray(reinterpret_cast<PyLongObject*>(magnitude.get()),
                                         digits.data(), digits.size(), 0, 0, 1);
#else
  const int failed = _PyLong_AsByteArray(reinterpret_cast<PyLongObject*>(magnitude.get()),
                                         digits.data(), digits.size(), 0, 0);
#endif
  if (failed != 0) throw Raised();
  cbor::append_bignum(bytes, overflow < 0, digits);
}

void append_text(PyObject* string, std::string& bytes) {
#if PY_VERSION_HEX < 0x030C0000
  if (PyUnicode_READY(string) != 0) throw Raised();
#endif
  const auto count = static_cast<std::size_t>(PyUnicode_GET_LENGTH(string));
  const void* const units = PyUnicode_DATA(string);
  if (PyUnicode_IS_ASCII(string) != 0) {
    return cbor::append_text(bytes, {static_cast<const char*>(units), count});
  }
  switch (PyUnicode_KIND(string)) {
    case PyUnicode_1BYTE_KIND:
      return append_units(static_cast<const Py_UCS1*>(units), count, bytes);
    case PyUnicode_2BYTE_KIND:
      return append_units(static_cast<const Py_UCS2*>(units), count, bytes);
    default:
      return append_units(static_cast<const Py_UCS4*>(units), count, bytes);
  }
}

}  // namespace dcache::python
