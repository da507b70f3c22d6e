// SPDX-License-Identifier: MIT
/// The files that AWS's tools share: `config` and `credentials`, by profile. Pure.
/// Source: "Configuration and credential file settings" of the AWS CLI user guide.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace dcache::s3 {

/// Settings by name, in lower case.
using Profile = std::map<std::string, std::string, std::less<>>;

class Profiles {
 public:
  /// Lines that are no settings are skipped. What `credentials` says of a profile goes before what
  /// `config` says.
  Profiles(std::string_view config, std::string_view credentials);

  /// Null: neither file has it.
  const Profile* find(std::string_view name) const;

 private:
  void read(std::string_view text, bool prefixed);

  std::map<std::string, Profile, std::less<>> profiles_;
};

}  // namespace dcache::s3
