// SPDX-License-Identifier: MIT
#include "backends/s3/lifecycle.hpp"

#include <chrono>

#include "wire/s3_xml.hpp"

namespace dcache::s3 {

unsigned days_until(engine::WallTime expires, engine::WallTime now) noexcept {
  if (expires == engine::no_end) return 0;
  const engine::WallTime day = engine::microseconds(std::chrono::hours(24));
  for (const unsigned days : days_classes) {
    if (expires - now <= day * days) return days;
  }
  return 0;
}

std::string lifecycle_rules(std::string_view prefix) {
  std::string out = R"(<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">)";
  // `And` is of two things at least.
  const bool both = !prefix.empty();
  for (const unsigned days : days_classes) {
    const std::string text = std::to_string(days);
    out.append("<Rule><ID>dcache-").append(text).append("</ID><Filter>");
    if (both) out.append("<And><Prefix>").append(xml::escaped(prefix)).append("</Prefix>");
    out.append("<Tag><Key>").append(days_tag).append("</Key><Value>").append(text);
    out.append("</Value></Tag>").append(both ? "</And>" : "");
    out.append("</Filter><Status>Enabled</Status><Expiration><Days>").append(text);
    out.append("</Days></Expiration></Rule>");
  }
  return out += "</LifecycleConfiguration>";
}

}  // namespace dcache::s3
