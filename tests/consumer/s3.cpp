// SPDX-License-Identifier: MIT
#include <dcache/backends/s3.hpp>
#include <dcache/engine/open.hpp>

int main() {
  const auto backend = dcache::engine::open_backend("s3://results/v1?region=eu-west-1");
  return dynamic_cast<dcache::S3Backend*>(backend.get()) != nullptr &&
                 backend->name() == "s3://results/v1"
             ? 0
             : 1;
}
