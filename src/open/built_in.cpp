// SPDX-License-Identifier: MIT
#include "open/built_in.hpp"

#include "backends/file/open.hpp"
#include "backends/redis/open.hpp"
#include "backends/s3/open.hpp"
#include "open/plugin.hpp"

namespace dcache::engine {

std::map<std::string, Opener> built_in() {
  return {
      {"file", files::open_url},
      {"redis", redis::open_url},
      {"redis+unix", redis::open_url},
      {"rediss", redis::open_url},
      {"s3", module_opener("s3", s3::open_url)},
  };
}

}  // namespace dcache::engine
