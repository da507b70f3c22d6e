// SPDX-License-Identifier: MIT
/// How S3 deletes records: by rules of the bucket, which look at a tag. Pure.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "dcache/engine/record.hpp"

namespace dcache::s3 {

inline constexpr std::string_view days_tag = "dcache-days";
/// A day, a week, a month, a year. S3 counts from the write, to the midnight after.
inline constexpr std::array<unsigned, 4> days_classes{1, 7, 31, 366};

/// The shortest class that lasts until `expires`; 0: none, it is kept.
unsigned days_until(engine::WallTime expires, engine::WallTime now) noexcept;

/// The body of `PutBucketLifecycleConfiguration`: a rule for each class, below `prefix`.
std::string lifecycle_rules(std::string_view prefix);

}  // namespace dcache::s3
