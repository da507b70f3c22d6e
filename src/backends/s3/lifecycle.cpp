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
  for (const unsigned days : days_classes) {
    const std::string text = std::to_string(days);
    std::string filter("<Tag><Key>");
    filter.append(days_tag).append("</Key><Value>").append(text).append("</Value></Tag>");
    if (!prefix.empty()) {  // `And` is of two things at least.
      filter = "<And><Prefix>" + xml::escaped(prefix) + "</Prefix>" + filter + "</And>";
    }
    out.append("<Rule><ID>dcache-").append(text).append("</ID><Filter>").append(filter);
    out.append("</Filter><Status>Enabled</Status><Expiration><Days>").append(text);
    out.append("</Days></Expiration></Rule>");
  }
  return out += "</LifecycleConfiguration>";
}

}  // namespace dcache::s3
