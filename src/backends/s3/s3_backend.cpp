// SPDX-License-Identifier: MIT
#include <utility>

#include "dcache/backends/s3.hpp"

#include "backends/s3/store.hpp"

namespace dcache {

class S3Backend::Store final : public s3::Store {
 public:
  using s3::Store::Store;
};

S3Backend::S3Backend(S3Options options) : store_(std::make_shared<Store>(std::move(options))) {}

S3Backend::~S3Backend() = default;

std::string S3Backend::name() const { return store_->name(); }

engine::Capabilities S3Backend::capabilities() const noexcept {
  const bool leases = store_->options().lease.count() > 0;
  return {.shared = true, .local = false, .adds = true, .leases = leases};
}

void S3Backend::submit(const engine::Ref<engine::Op>& op) noexcept { store_->submit(op); }

void S3Backend::check() { store_->check(); }

std::chrono::nanoseconds S3Backend::budget() const noexcept { return store_->budget(); }

std::chrono::nanoseconds S3Backend::near_ttl() const noexcept { return std::chrono::seconds(60); }

std::chrono::nanoseconds S3Backend::mark_ttl() const noexcept { return std::chrono::seconds(10); }

void S3Backend::close() noexcept { store_->close(); }

std::string S3Backend::lifecycle_rules() const { return store_->lifecycle_rules(); }

}  // namespace dcache
