// SPDX-License-Identifier: MIT
#include "backends/s3/sources.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "dcache/error.hpp"

#include "backends/s3/credential_texts.hpp"
#include "backends/s3/http.hpp"
#include "backends/s3/process.hpp"
#include "backends/s3/settings.hpp"
#include "backends/s3/signer.hpp"

namespace dcache::s3 {
namespace {

using namespace std::chrono_literals;

using Found = std::optional<Credentials>;

// Of one question; a source asks three at most.
constexpr auto fetch_patience = 5s;
constexpr auto process_patience = 15s;
// There is no machine's service where nobody answers at once.
constexpr auto machine_patience = 1s;
constexpr int roles_max = 5;

[[noreturn]] void refuse(const std::string& source, const std::string& why) {
  throw TierError("dcache: credentials from " + source + ": " + why);
}
[[noreturn]] void refuse_for_ever(const std::string& source, const std::string& why) {
  throw ConfigError("dcache: credentials from " + source + ": " + why);
}

std::string setting(const Profile& profile, std::string_view name) {
  const auto found = profile.find(name);
  return found == profile.end() ? std::string() : found->second;
}

// Where a container's credentials may be asked for in the clear: this machine, and the addresses of
// ECS and EKS.
bool is_near(std::string_view url) {
  if (url.starts_with("https://")) return true;
  url.remove_prefix(std::min(url.find("://") + 3, url.size()));
  const std::string_view host = url.substr(0, url.find_first_of("/?#"));
  const std::string_view name = host.substr(0, host.find_last_not_of("0123456789") + 1);
  for (const std::string_view near :
       {"localhost", "127.0.0.1", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"}) {
    if (host == near || name == std::string(near) + ':') return true;
  }
  return false;
}

// Both become parts of headers; a blank comes from a file that was cut in another way than it was
// written.
Credentials checked(Credentials found, const char* source) {
  for (const std::string* const text :
       {&found.access_key, &found.secret_key, &found.session_token}) {
    const bool fine = std::all_of(text->begin(), text->end(), [](unsigned char letter) {
      return letter > ' ' && letter < 0x7f;
    });
    if (!fine) {
      refuse_for_ever(source,
                      "a key or a token has a blank, a line break or a letter beyond ASCII");
    }
  }
  return found;
}

class Chain {
 public:
  Chain(const S3Options& options, const std::string& region)
      : options_(options), region_(region), ca_file_(resolve_ca(options)) {}

  Found explicit_keys() const {
    if (options_.anonymous)
      return Credentials{.access_key = {}, .secret_key = {}, .anonymous = true};
    if (options_.access_key.empty()) return std::nullopt;
    return Credentials{options_.access_key, options_.secret_key, options_.session_token};
  }

  // Not where the code names a profile.
  Found environment() const {
    Credentials keys{variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"),
                     variable("AWS_SESSION_TOKEN")};
    if (!options_.profile.empty() || keys.access_key.empty()) return std::nullopt;
    if (keys.secret_key.empty()) {
      refuse_for_ever("the environment",
                      "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not");
    }
    return keys;
  }

  Found web_identity() const {
    const std::string file = variable("AWS_WEB_IDENTITY_TOKEN_FILE");
    const std::string role = variable("AWS_ROLE_ARN");
    if (!options_.profile.empty() || file.empty() || role.empty()) return std::nullopt;
    return assume_with_token(file, role, variable("AWS_ROLE_SESSION_NAME"));
  }

  Found profile() const {
    const Profiles profiles = shared_profiles();
    const std::string name = profile_name(options_);
    const Profile* const found = profiles.find(name);
    if (found == nullptr) {
      const bool asked_for = !options_.profile.empty() || !variable("AWS_PROFILE").empty();
      if (asked_for) {
        refuse_for_ever("the shared files", "there is no profile \"" + name + '"');
      }
      return std::nullopt;
    }
    return of_profile(profiles, *found, name, roles_max);
  }

  Found container() const {
    const std::string relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    std::string url = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (!relative.empty()) url = "http://169.254.170.2" + relative;
    if (url.empty()) return std::nullopt;
    if (!is_near(url)) {
      refuse_for_ever("the container",
                      "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor of this machine");
    }
    http::Request request = question("GET", std::move(url), fetch_patience);
    const std::string file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    std::string token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (!file.empty()) token = text_of_file(file);
    if (token.find_first_of("\r\n") != std::string::npos) {
      refuse_for_ever("the container", "its authorization token has more than one line");
    }
    if (!token.empty()) request.headers.push_back({"Authorization", token});
    return credentials_in_json(answer(request, "the container").body, "the container");
  }

  // Version 2: a token first. Where nobody answers, there is no such service.
  Found machine() const {
    if (says_true(variable("AWS_EC2_METADATA_DISABLED"))) return std::nullopt;
    std::string base = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    if (base.empty()) base = "http://169.254.169.254";
    while (base.ends_with('/')) base.pop_back();
    http::Request ask = question("PUT", base + "/latest/api/token", machine_patience);
    ask.headers.push_back({"X-aws-ec2-metadata-token-ttl-seconds", "21600"});
    http::Reply reply = http::fetch(ask);
    if (reply.fault != http::Fault::none || reply.status != 200) return std::nullopt;
    const sigv4::Field token{"X-aws-ec2-metadata-token", reply.body};
    const std::string roles = base + "/latest/meta-data/iam/security-credentials/";
    http::Request request = question("GET", roles, fetch_patience);
    request.headers.push_back(token);
    reply = http::fetch(request);
    if (reply.fault == http::Fault::none && reply.status == 404) return std::nullopt;  // No role.
    check(reply, "the machine");
    request = question("GET", roles + reply.body.substr(0, reply.body.find('\n')), fetch_patience);
    request.headers.push_back(token);
    return credentials_in_json(answer(request, "the machine").body, "the machine");
  }

 private:
  static std::string resolve_ca(const S3Options& options) {
    return options.ca_file.empty() ? variable("AWS_CA_BUNDLE") : options.ca_file;
  }

  Found of_profile(const Profiles& profiles, const Profile& profile, const std::string& name,
                   int roles_left) const {
    const std::string source = "the profile \"" + name + '"';
    if (!setting(profile, "role_arn").empty()) {
      if (roles_left == 0) refuse_for_ever(source, "its source_profile leads round in a circle");
      return of_role(profiles, profile, source, roles_left - 1);
    }
    Credentials keys{setting(profile, "aws_access_key_id"),
                     setting(profile, "aws_secret_access_key"),
                     setting(profile, "aws_session_token")};
    if (!keys.access_key.empty()) {
      if (keys.secret_key.empty()) refuse_for_ever(source, "it has no aws_secret_access_key");
      return keys;
    }
    const std::string command = setting(profile, "credential_process");
    if (!command.empty()) {
      return credentials_in_json(output_of(command, process_patience), "credential_process");
    }
    if (!setting(profile, "sso_session").empty() || !setting(profile, "sso_start_url").empty()) {
      refuse_for_ever(source,
                      "it is of a single sign-on, which is left to AWS's own tools: let a profile "
                      "say credential_process = aws configure export-credentials --profile " +
                          name);
    }
    return std::nullopt;
  }

  Credentials of_role(const Profiles& profiles, const Profile& profile, const std::string& source,
                      int roles_left) const {
    const std::string role = setting(profile, "role_arn");
    const std::string session = setting(profile, "role_session_name");
    const std::string file = setting(profile, "web_identity_token_file");
    if (!file.empty()) return assume_with_token(file, role, session);
    sigv4::Fields more;
    for (const auto& [ours, theirs] : {std::pair("external_id", "ExternalId"),
                                       std::pair("duration_seconds", "DurationSeconds")}) {
      if (std::string value = setting(profile, ours); !value.empty()) {
        more.push_back({theirs, std::move(value)});
      }
    }
    const Credentials who = source_of(profiles, profile, source, roles_left);
    return assume(who, role, session, std::move(more));
  }

  // Who takes the role on.
  Credentials source_of(const Profiles& profiles, const Profile& profile, const std::string& source,
                        int roles_left) const {
    Found who;
    const std::string other = setting(profile, "source_profile");
    const std::string where = setting(profile, "credential_source");
    if (!other.empty()) {
      const Profile* const found = profiles.find(other);
      if (found == nullptr) refuse_for_ever(source, "there is no profile \"" + other + '"');
      // A profile may be its own source: then it is about its keys.
      Profile there = *found;
      if (found == &profile) there.erase("role_arn");
      who = of_profile(profiles, there, other, roles_left);
    } else if (where == "Environment") {
      who = environment();
    } else if (where == "EcsContainer") {
      who = container();
    } else if (where == "Ec2InstanceMetadata") {
      who = machine();
    } else {
      refuse_for_ever(source,
                      "its role_arn needs a source_profile, or a credential_source that is one of "
                      "Environment, EcsContainer, Ec2InstanceMetadata");
    }
    if (!who) refuse(source, "who takes its role on has no credentials");
    return *who;
  }

  std::string sts() const {
    std::string base = variable("AWS_ENDPOINT_URL_STS");
    if (base.empty()) base = variable("AWS_ENDPOINT_URL");
    if (base.empty()) base = std::string("https://") + "sts." + region_ + '.' + aws_domain(region_);
    return checked_endpoint(std::move(base));
  }

  static sigv4::Fields role_question(const char* action, const std::string& role,
                                     const std::string& session) {
    return {{"Action", action},
            {"Version", "2011-06-15"},
            {"RoleArn", role},
            {"RoleSessionName", session.empty() ? "dcache" : session}};
  }

  // The file is read each time: who puts it there replaces it.
  Credentials assume_with_token(const std::string& file, const std::string& role,
                                const std::string& session) const {
    std::string token = text_of_file(file);
    while (token.ends_with('\n') || token.ends_with('\r')) token.pop_back();
    if (token.empty()) refuse("a web identity", file + " has no token in it");
    sigv4::Fields form = role_question("AssumeRoleWithWebIdentity", role, session);
    form.push_back({"WebIdentityToken", token});
    return ask_sts(form, nullptr);
  }

  Credentials assume(const Credentials& who, const std::string& role, const std::string& session,
                     sigv4::Fields more) const {
    sigv4::Fields form = role_question("AssumeRole", role, session);
    for (sigv4::Field& each : more) form.push_back(std::move(each));
    return ask_sts(form, &who);
  }

  // `who`: null where the question has its own proof.
  Credentials ask_sts(const sigv4::Fields& form, const Credentials* who) const {
    const std::string body = sigv4::canonical_query(form);
    const Place place = place_at(sts());
    http::Request request = question("POST", place.base + place.path + '/', fetch_patience);
    request.body = body;
    request.headers.push_back({"Content-Type", "application/x-www-form-urlencoded"});
    if (who != nullptr) {
      request.headers.push_back({"host", place.host});
      Signer("sts").sign(
          {"POST", place.path + '/', "", sha256_hex(body), region_, std::time(nullptr)}, *who,
          request.headers);
    }
    const http::Reply reply = http::fetch(request);
    if (reply.fault != http::Fault::none) refuse("STS", reply.trouble);
    return credentials_in_xml(reply.body, "STS");
  }

  http::Request question(const char* method, std::string url,
                         std::chrono::milliseconds patience) const {
    http::Request request;
    request.method = method;
    request.url = std::move(url);
    request.reply_max = std::size_t{64} << 10U;
    request.deadline = std::chrono::steady_clock::now() + patience;
    request.connect_timeout = std::min<std::chrono::milliseconds>(patience, 2s);
    request.ca_file = ca_file_;
    request.proxies = request.url.starts_with("https://");  // What is here is reached directly.
    return request;
  }

  static void check(const http::Reply& reply, const char* source) {
    if (reply.fault != http::Fault::none) refuse(source, reply.trouble);
    if (reply.status != 200) refuse(source, "it answers " + std::to_string(reply.status));
  }
  static http::Reply answer(const http::Request& request, const char* source) {
    http::Reply reply = http::fetch(request);
    check(reply, source);
    return reply;
  }

  const S3Options& options_;
  const std::string region_;
  const std::string ca_file_;
};

}  // namespace

Credentials find_credentials(const S3Options& options, const std::string& region) {
  const Chain chain(options, region);
  const std::array<std::pair<const char*, Found (Chain::*)() const>, 6> sources{
      {{"the options", &Chain::explicit_keys},
       {"the environment", &Chain::environment},
       {"a web identity", &Chain::web_identity},
       {"the profile", &Chain::profile},
       {"the container", &Chain::container},
       {"the machine", &Chain::machine}}};
  for (const auto& [name, source] : sources) {
    if (const Found found = (chain.*source)()) return checked(*found, name);
  }
  throw ConfigError(
      "dcache: an S3 backend without credentials: looked at access_key= and secret_key=, "
      "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, "
      "the profile \"" +
      profile_name(options) +
      "\" of the shared files, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI, and the "
      "metadata service of the machine (anonymous=True asks without)");
}

}  // namespace dcache::s3
