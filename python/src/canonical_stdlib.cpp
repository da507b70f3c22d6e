// SPDX-License-Identifier: MIT
// The canonical forms of types of the standard library, and of the rarer ones of the language.
#include <algorithm>
#include <array>
#include <cstring>

#include "dcache/engine/cbor.hpp"
#include "dcache/engine/cbor_tags.hpp"

#include "canonical.hpp"
#include "canonical_atoms.hpp"
#include "stdlib_types.hpp"
// After Python.h. Its macros read the objects; the table of functions that it declares stays null.
#include <datetime.h>

namespace dcache::python {
namespace {

namespace cbor = engine::cbor;

Object attribute(PyObject* object, const char* name) {
  return Object::checked(PyObject_GetAttrString(object, name));
}

// Dates and times as `isoformat` writes them, without the offset.
class IsoText {
 public:
  void date(PyObject* object) noexcept {
    number(PyDateTime_GET_YEAR(object), 4);
    sign('-');
    number(PyDateTime_GET_MONTH(object), 2);
    sign('-');
    number(PyDateTime_GET_DAY(object), 2);
  }
  void time(int hour, int minute, int second, int microsecond) noexcept {
    number(hour, 2);
    sign(':');
    number(minute, 2);
    sign(':');
    number(second, 2);
    if (microsecond == 0) return;
    sign('.');
    number(microsecond, 6);
  }
  void sign(char character) noexcept { text_[size_++] = character; }
  std::string_view view() const noexcept { return {text_.data(), size_}; }

 private:
  void number(int value, std::size_t width) noexcept {
    for (std::size_t at = size_ + width; at-- > size_; value /= 10) {
      text_[at] = static_cast<char>('0' + value % 10);
    }
    size_ += width;
  }

  std::array<char, 32> text_;
  std::size_t size_ = 0;
};

// The context of the thread may ask for a small exponent sign.
void append_decimal(PyObject* decimal, std::string& bytes) {
  const Object text = Object::checked(PyObject_Str(decimal));
  cbor::append_tag(bytes, cbor::decimal_tag);
  append_text(text.get(), bytes);
  std::replace(bytes.end() - PyUnicode_GET_LENGTH(text.get()), bytes.end(), 'e', 'E');
}

void append_span(PyObject* timedelta, std::string& bytes) {
  cbor::append_head(bytes, cbor::Major::array, 3);
  cbor::append_int(bytes, PyDateTime_DELTA_GET_DAYS(timedelta));
  cbor::append_int(bytes, PyDateTime_DELTA_GET_SECONDS(timedelta));
  cbor::append_int(bytes, PyDateTime_DELTA_GET_MICROSECONDS(timedelta));
}

// The last zone that was written, for programs have few. Never destroyed.
struct LastZone {
  Object zone;
  std::string bytes;
};
LastZone& last_zone() {
  static auto* const last = new LastZone;
  return *last;
}

}  // namespace

bool Canonical::append_other(PyObject* object, PyTypeObject* type) {
  switch (stdlib_type(type)) {
    case Stdlib::complex:
      cbor::append_tag(bytes_, cbor::complex_tag);
      append_array_head(2);
      cbor::append_double(bytes_, PyComplex_RealAsDouble(object));
      cbor::append_double(bytes_, PyComplex_ImagAsDouble(object));
      return true;
    case Stdlib::range:
      return append_attributes(object, cbor::range_tag, {"start", "stop", "step"});
    case Stdlib::slice:
      return append_attributes(object, cbor::slice_tag, {"start", "stop", "step"});
    case Stdlib::fraction:
      return append_attributes(object, cbor::fraction_tag, {"numerator", "denominator"});
    case Stdlib::ellipsis:
      cbor::append_tag(bytes_, cbor::name_tag);
      cbor::append_text(bytes_, "builtins:Ellipsis");
      return true;
    case Stdlib::decimal:
      append_decimal(object, bytes_);
      return true;
    case Stdlib::date: {
      IsoText iso;
      iso.date(object);
      cbor::append_tag(bytes_, cbor::date_tag);
      cbor::append_text(bytes_, iso.view());
      return true;
    }
    case Stdlib::time:
      return append_time(object);
    case Stdlib::datetime:
      return append_datetime(object);
    case Stdlib::timedelta:
      cbor::append_tag(bytes_, cbor::timedelta_tag);
      append_span(object, bytes_);
      return true;
    case Stdlib::uuid:
      return append_uuid(object);
    case Stdlib::path: {
      const Object text = Object::checked(PyObject_Str(object));
      cbor::append_tag(bytes_, cbor::path_tag);
      append_array_head(2);
      cbor::append_text(bytes_, type->tp_name);
      return append(text.get());
    }
    case Stdlib::member:
      return append_member(object);
    case Stdlib::timezone:
    case Stdlib::zoneinfo:
    case Stdlib::none:
      break;
  }
  if (PyType_Check(object) != 0 || PyCallable_Check(object) != 0) {
    const std::size_t before = bytes_.size();
    if (append_named(object)) return true;
    bytes_.resize(before);
  }
  return append_instance(object, type);
}

bool Canonical::append_time(PyObject* time) {
  IsoText iso;
  iso.time(PyDateTime_TIME_GET_HOUR(time), PyDateTime_TIME_GET_MINUTE(time),
           PyDateTime_TIME_GET_SECOND(time), PyDateTime_TIME_GET_MICROSECOND(time));
  cbor::append_tag(bytes_, cbor::time_tag);
  append_array_head(3);
  cbor::append_text(bytes_, iso.view());
  cbor::append_int(bytes_, PyDateTime_TIME_GET_FOLD(time));
  return append_zone(PyDateTime_TIME_GET_TZINFO(time));
}

bool Canonical::append_datetime(PyObject* datetime) {
  IsoText iso;
  iso.date(datetime);
  iso.sign('T');
  iso.time(PyDateTime_DATE_GET_HOUR(datetime), PyDateTime_DATE_GET_MINUTE(datetime),
           PyDateTime_DATE_GET_SECOND(datetime), PyDateTime_DATE_GET_MICROSECOND(datetime));
  cbor::append_tag(bytes_, cbor::datetime_tag);
  append_array_head(3);
  cbor::append_text(bytes_, iso.view());
  cbor::append_int(bytes_, PyDateTime_DATE_GET_FOLD(datetime));
  return append_zone(PyDateTime_DATE_GET_TZINFO(datetime));
}

bool Canonical::append_attributes(PyObject* object, std::uint64_t tag,
                                  std::initializer_list<const char*> names) {
  cbor::append_tag(bytes_, tag);
  append_array_head(static_cast<Py_ssize_t>(names.size()));
  return std::all_of(names.begin(), names.end(),
                     [&](const char* name) { return append(attribute(object, name).get()); });
}

bool Canonical::append_uuid(PyObject* uuid) {
  const Object number = attribute(uuid, "int");
  if (PyLong_CheckExact(number.get()) == 0) return false;
  std::array<unsigned char, 16> bytes;
  auto* const digits = reinterpret_cast<PyLongObject*>(number.get());
#if PY_VERSION_HEX >= 0x030D0000
  const int failed = _PyLong_AsByteArray(digits, bytes.data(), bytes.size(), 0, 0, 1);
#else
  const int failed = _PyLong_AsByteArray(digits, bytes.data(), bytes.size(), 0, 0);
#endif
  if (failed != 0) {  // Somebody has put another number there.
    PyErr_Clear();
    return false;
  }
  cbor::append_tag(bytes_, cbor::uuid_tag);
  cbor::append_bytes(bytes_, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return true;
}

bool Canonical::append_zone(PyObject* zone) {
  if (zone == Py_None) {
    cbor::append_null(bytes_);
    return true;
  }
  LastZone& last = last_zone();
  if (last.zone.get() == zone) {
    bytes_ += last.bytes;
    return true;
  }
  const std::size_t before = bytes_.size();
  if (!append_zone_anew(zone)) {
    without_ = Object::shared(zone);
    return false;
  }
  last.bytes = bytes_.substr(before);
  last.zone = Object::shared(zone);
  return true;
}

// By offset and name, or by the key under which everybody finds its rules. These never change.
bool Canonical::append_zone_anew(PyObject* zone) {
  const Stdlib type = stdlib_type(Py_TYPE(zone));
  if (type == Stdlib::timezone) {
    const Object offset = Object::checked(PyObject_CallMethod(zone, "utcoffset", "O", Py_None));
    const Object name = Object::checked(PyObject_CallMethod(zone, "tzname", "O", Py_None));
    append_array_head(2);
    append_span(offset.get(), bytes_);
    return append(name.get());
  }
  if (type != Stdlib::zoneinfo) return false;
  // One that was read from a file may have any rules under any key; only that one has no pickle.
  const Object reduced = Object::owned(PyObject_CallMethod(zone, "__reduce__", nullptr));
  if (!reduced) {
    PyErr_Clear();
    return false;
  }
  const Object key = attribute(zone, "key");
  if (PyUnicode_CheckExact(key.get()) == 0) return false;
  append_array_head(1);
  return append(key.get());
}

}  // namespace dcache::python
