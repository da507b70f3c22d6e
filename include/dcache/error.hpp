// SPDX-License-Identifier: MIT
/// Errors: one base, few leaves. Every message says what was expected, what came and the way out.
///
/// A cache never throws because of itself while it answers a call. These are for what can never
/// work (a bad option, a misuse), thrown at the earliest moment it can be known.
#pragma once

#include <stdexcept>
#include <string>

namespace dcache {

/// The base of every exception that dcache throws of its own accord.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An option or a configuration that can never work.
class ConfigError : public Error {
 public:
  using Error::Error;
};

/// A use of the library that can never work.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// A far tier did not do what it was asked for explicitly: `put`, `check`. The message names it.
class TierError : public Error {
 public:
  using Error::Error;
};

/// An invalidation did not reach every far tier: what it was about may still be served from there.
class InvalidationError : public TierError {
 public:
  using TierError::TierError;
};

/// The mode of the process forbids what was asked for.
class ModeError : public Error {
 public:
  using Error::Error;
};

}  // namespace dcache
