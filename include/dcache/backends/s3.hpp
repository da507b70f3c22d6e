// SPDX-License-Identifier: MIT
/// S3 and what speaks like it: results that outlive machines.
///
///   auto s3 = std::make_shared<dcache::S3Backend>(dcache::S3Options{.bucket = "results"});
///
/// A library of its own: link `dcache::s3`. A look-up is one `GET`, which takes 10 to 100 ms on
/// AWS: the usual chain has memory and files in front of it. Requests are signed (Signature Version
/// 4), and what came is checked against its length and its ETag.
///
/// Records say themselves when they end. They are deleted by the bucket's lifecycle rules, which
/// find them by a tag (`lifecycle_rules`); the mark of a function has none, and stays.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "dcache/engine/backend.hpp"

namespace dcache {

/// What is empty comes from where the tools of AWS look: the environment, then the profile in the
/// files `~/.aws/config` and `~/.aws/credentials`.
struct S3Options {
  /// Empty: `DCACHE_S3_BUCKET`.
  std::string bucket = {};
  /// In front of every key, with a `/` between. Empty: `DCACHE_S3_PREFIX`, which may be empty, too.
  std::string prefix = {};
  /// Empty: `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's, else `us-east-1`. Where the bucket
  /// is in another one, S3 says so, and the request is signed anew for that.
  std::string region = {};
  /// Of another server, `https://store.example:9000`: buckets are in its paths then. Empty:
  /// `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, the profile's `endpoint_url`, else that of AWS.
  std::string endpoint = {};
  /// Both or none. Empty: the environment, a web identity, the profile (keys, a role, a process), a
  /// container, the machine (IMDSv2). They are in no message, log or name.
  std::string access_key = {};
  std::string secret_key = {};
  std::string session_token = {};
  /// Of the shared files. Empty: `AWS_PROFILE`, else `default`.
  std::string profile = {};
  /// Requests are not signed.
  bool anonymous = false;
  /// In PEM: certificates to trust instead of the system's. Empty: `AWS_CA_BUNDLE`, else those.
  std::string ca_file = {};

  /// Records carry a tag for `lifecycle_rules`. Given up by itself where the server has no tags, or
  /// does not allow us to set them.
  bool expiry_tags = true;
  /// How long others wait for a process that computes, >= 1 s: as long as computing may take, for
  /// it is not renewed; after their `flight_timeout` they compute all the same. 0: no leases, and
  /// no fill is refused because an invalidation came first. With them a miss takes a write and
  /// maybe a read more, and who waits asks three times a round. A server without conditional writes
  /// makes them say nothing.
  std::chrono::nanoseconds lease = std::chrono::seconds(0);
  /// The largest record, > 0.
  std::uint64_t max_bytes = std::uint64_t{64} << 20U;
  /// What a call may wait for it in all, attempts and their pauses together, > 0.
  std::chrono::nanoseconds timeout = std::chrono::seconds(2);
  /// For connecting, TLS included, > 0. A call waits for it no longer than `timeout`.
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(1);
};

/// Thread-safe. Reads files and connects when it is first used. After a fork the child makes
/// connections of its own.
class S3Backend final : public engine::Backend {
 public:
  /// Does no I/O. Throws ConfigError for options that can never work. What is missing is said at
  /// the first use, for the environment may still change.
  explicit S3Backend(S3Options options = {});
  ~S3Backend() override;

  /// `s3://bucket/prefix`
  std::string name() const override;
  engine::Capabilities capabilities() const noexcept override;
  void submit(const engine::Ref<engine::Op>& op) noexcept override;
  /// Asks for an object that is not there. Throws ConfigError for what is missing or refused.
  void check() override;
  std::chrono::nanoseconds budget() const noexcept override;
  /// 60 s and 10 s: each question is a request that is paid for.
  std::chrono::nanoseconds near_ttl() const noexcept override;
  std::chrono::nanoseconds mark_ttl() const noexcept override;
  void close() noexcept override;

  /// What `PutBucketLifecycleConfiguration` takes, in XML: it deletes records a day, a week, a
  /// month or a year after they were written, whichever covers their time. It replaces what the
  /// bucket has of rules. Throws ConfigError if there is no bucket.
  std::string lifecycle_rules() const;

 private:
  class Store;
  std::shared_ptr<Store> store_;
};

}  // namespace dcache
