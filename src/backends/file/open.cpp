// SPDX-License-Identifier: MIT
#include "backends/file/open.hpp"

#include "dcache/backends/file.hpp"
#include "dcache/error.hpp"

namespace dcache::files {

std::shared_ptr<engine::Backend> open_url(engine::Url url) {
  if (!url.host.empty() && url.host != "localhost") {
    throw ConfigError("dcache: file://" + url.host + url.path +
                      " names a host; expected three slashes and a path: file:///" + url.host +
                      url.path);
  }
  FileOptions options;
  options.max_bytes = url.take_bytes("max_bytes", options.max_bytes);
  options.allow_shared = url.take_flag("allow_shared", options.allow_shared);
  url.refuse_others("max_bytes, allow_shared");
  return std::make_shared<FileBackend>(url.path, options);
}

}  // namespace dcache::files
