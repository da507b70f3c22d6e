// SPDX-License-Identifier: MIT
#include "backends/s3/verdict.hpp"

#include <algorithm>
#include <array>

#include "backends/s3/settings.hpp"
#include "backends/s3/signer.hpp"
#include "base/hex.hpp"
#include "wire/s3_xml.hpp"

namespace dcache::s3 {
namespace {

struct Known {
  std::string_view code;
  Meaning meaning;
};

// What the status alone does not tell.
constexpr std::array known{
    Known{"NoSuchKey", Meaning::missing},
    Known{"NoSuchBucket", Meaning::denied},
    Known{"RequestTimeTooSkewed", Meaning::skewed},
    Known{"ExpiredToken", Meaning::expired},
    Known{"ExpiredTokenException", Meaning::expired},
    Known{"TokenRefreshRequired", Meaning::expired},
    Known{"NotImplemented", Meaning::unsupported},
    Known{"RequestTimeout", Meaning::again},
    Known{"SlowDown", Meaning::again},
    Known{"InternalError", Meaning::again},
    Known{"OperationAborted", Meaning::again},
    Known{"ConditionalRequestConflict", Meaning::again},
};

Meaning meaning_of(int status) noexcept {
  switch (status) {
    case 404:
      return Meaning::missing;
    case 412:
      return Meaning::exists;
    case 408:
    case 409:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return Meaning::again;
    case 501:
      return Meaning::unsupported;
    case 401:
    case 403:
      return Meaning::denied;
    default:
      return status / 100 == 2 ? Meaning::done : Meaning::failed;
  }
}

Verdict of_fault(const http::Reply& reply) {
  const bool again = reply.fault == http::Fault::broken;
  const bool never = reply.fault == http::Fault::untrusted;
  const bool here = reply.fault == http::Fault::too_large || reply.fault == http::Fault::closed;
  return {again   ? Meaning::again
          : never ? Meaning::denied
                  : Meaning::failed,
          reply.trouble, "", here};
}

// For a line of a log, whatever a server says.
std::string shown(std::string text, std::size_t most) {
  text.resize(std::min(text.size(), most));
  std::replace_if(
      text.begin(), text.end(), [](unsigned char letter) { return letter < ' ' || letter == 0x7f; },
      '?');
  return text;
}

std::string told(const http::Reply& reply, const std::string& code) {
  std::string text = std::to_string(reply.status);
  if (!code.empty()) text += ' ' + shown(code, 100);
  const std::string message = xml::text_of(reply.body, "Message").value_or("");
  if (!message.empty()) text += ": " + shown(message, 300);
  return text;
}

}  // namespace

Verdict judge(const http::Reply& reply) {
  if (reply.fault != http::Fault::none) return of_fault(reply);
  Verdict verdict{meaning_of(reply.status)};
  verdict.reachable = reply.status < 500 && reply.status != 429;
  verdict.in_s3s_words = !reply.header("etag").empty();
  if (verdict.meaning == Meaning::done) return verdict;
  const std::string code = xml::text_of(reply.body, "Code").value_or("");
  verdict.in_s3s_words = !code.empty();
  const auto* const found = std::find_if(known.begin(), known.end(),
                                         [&](const Known& each) { return each.code == code; });
  if (found != known.end()) verdict.meaning = found->meaning;
  if (verdict.meaning == Meaning::missing || verdict.meaning == Meaning::exists) return verdict;
  if (verdict.meaning == Meaning::denied) verdict.reachable = false;
  verdict.why = told(reply, code);
  const bool redirects = reply.status / 100 == 3 || code == "AuthorizationHeaderMalformed" ||
                         code == "IllegalLocationConstraintException";
  verdict.region = reply.header("x-amz-bucket-region");
  if (verdict.region.empty()) verdict.region = xml::text_of(reply.body, "Region").value_or("");
  if (!is_region(verdict.region)) verdict.region.clear();
  if (redirects) {
    verdict.meaning = verdict.region.empty() ? Meaning::failed : Meaning::elsewhere;
    const std::string endpoint = xml::text_of(reply.body, "Endpoint").value_or("");
    if (verdict.region.empty() && !endpoint.empty()) {
      verdict.why += "; it points to " + shown(endpoint, 300) +
                     ", which is not followed: say region= or "
                     "endpoint=";
    }
  }
  return verdict;
}

bool is_intact(const http::Reply& reply) {
  std::string_view tag = reply.header("etag");
  if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') {
    tag = tag.substr(1, tag.size() - 2);
  }
  // Of parts it has a dash; where the server encrypts with keys of its own it is something else.
  const std::string_view encryption = reply.header("x-amz-server-side-encryption");
  const bool is_digest = tag.size() == 32 &&
                         tag.find_first_not_of("0123456789abcdef") == std::string_view::npos &&
                         (encryption.empty() || encryption == "AES256") &&
                         reply.header("x-amz-server-side-encryption-customer-algorithm").empty();
  if (!is_digest) return true;
  const std::string digest = md5(reply.body);
  return digest.empty() || engine::hex(digest) == tag;
}

}  // namespace dcache::s3
