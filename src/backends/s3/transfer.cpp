// SPDX-License-Identifier: MIT
#include "backends/s3/transfer.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>
#include <new>
#include <system_error>
#include <utility>

#include <openssl/crypto.h>

namespace dcache::http {
namespace {

// What a server says of itself, not of the object.
constexpr std::size_t headers_max = 64;
// Of what it says in place of an object: its words are in front, whatever else comes.
constexpr std::size_t refusal_max = std::size_t{64} << 10U;

void set(CURL* easy, CURLoption option, auto value) {
  if (curl_easy_setopt(easy, option, value) == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
}

long left_until(SteadyMoment deadline) noexcept {
  using std::chrono::milliseconds;
  if (deadline == SteadyMoment::max()) return 0;  // None, as libcurl has it.
  const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
  return std::max<long>(1, static_cast<long>(left.count()));
}

Fault fault_of(CURLcode result) noexcept {
  switch (result) {
    case CURLE_OK:
      return Fault::none;
    case CURLE_OPERATION_TIMEDOUT:
      return Fault::timeout;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
      return Fault::untrusted;
    default:
      return Fault::broken;
  }
}

}  // namespace

void start_curl() {
  static const CURLcode started = [] {
    // As for all that we do with OpenSSL: before libcurl, it stays whole until the process has
    // ended.
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
    return curl_global_init(CURL_GLOBAL_DEFAULT);
  }();
  if (started != CURLE_OK) throw std::bad_alloc();
}

std::string_view Reply::header(std::string_view name) const noexcept {
  const auto found = std::find_if(headers.begin(), headers.end(),
                                  [&](const auto& each) { return each.name == name; });
  return found == headers.end() ? std::string_view() : std::string_view(found->value);
}

Transfer::Transfer() : easy_(curl_easy_init()) {
  if (!easy_) throw std::bad_alloc();
  set_up_once();
}

void Transfer::set_up_once() {
  CURL* const easy = easy_.get();
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_PATH_AS_IS, 1L);
  set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  // Else the end of a request waits for a name server that does not answer, and all others with it.
  set(easy, CURLOPT_QUICK_EXIT, 1L);
  set(easy, CURLOPT_USERAGENT, "dcache");
  set(easy, CURLOPT_ERRORBUFFER, trouble_.data());
  set(easy, CURLOPT_WRITEFUNCTION, take_body);
  set(easy, CURLOPT_WRITEDATA, static_cast<void*>(this));
  set(easy, CURLOPT_HEADERFUNCTION, take_header);
  set(easy, CURLOPT_HEADERDATA, static_cast<void*>(this));
}

void Transfer::append_header(const std::string& line) {
  curl_slist* const list = headers_.release();
  curl_slist* const longer = curl_slist_append(list, line.c_str());
  headers_.reset(longer == nullptr ? list : longer);
  if (longer == nullptr) throw std::bad_alloc();
}

void Transfer::prepare(const Request& request, Reply& reply) {
  reply = {};
  reply.headers.reserve(16);  // As many as S3 has, or so: moving them costs more than asking.
  reply_ = &reply;
  reply_max_ = request.reply_max;
  too_large_ = cut_ = false;
  trouble_.front() = '\0';
  headers_.reset();
  for (const auto& each : request.headers) {
    // libcurl leaves a header without a value out, unless it ends with a semicolon.
    append_header(each.value.empty() ? each.name + ';' : each.name + ": " + each.value);
  }
  // What it would add by itself.
  for (const char* const name : {"Expect:", "Accept:", "Content-Type:"}) {
    const bool ours = std::any_of(request.headers.begin(), request.headers.end(),
                                  [&](const auto& each) { return each.name + ':' == name; });
    if (!ours) append_header(name);
  }
  CURL* const easy = easy_.get();
  if (request.method == "GET") {
    set(easy, CURLOPT_HTTPGET, 1L);
    set(easy, CURLOPT_CUSTOMREQUEST, static_cast<char*>(nullptr));
  } else if (request.method == "DELETE") {
    set(easy, CURLOPT_HTTPGET, 1L);
    set(easy, CURLOPT_CUSTOMREQUEST, "DELETE");
  } else {
    set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(easy, CURLOPT_POSTFIELDS, request.body.empty() ? "" : request.body.data());
    set(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  set(easy, CURLOPT_URL, request.url.c_str());
  set(easy, CURLOPT_HTTPHEADER, headers_.get());
  set(easy, CURLOPT_TIMEOUT_MS, left_until(request.deadline));
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  set(easy, CURLOPT_NOPROXY, request.proxies ? nullptr : "*");
  if (!request.ca_file.empty()) set(easy, CURLOPT_CAINFO, request.ca_file.c_str());
}

void Transfer::finish(CURLcode result) {
  reply_->fault = too_large_ ? Fault::too_large : cut_ ? Fault::none : fault_of(result);
  if (reply_->fault == Fault::none) return;
  reply_->trouble = too_large_                 ? "the reply is larger than expected"
                    : trouble_.front() != '\0' ? trouble_.data()
                                               : curl_easy_strerror(result);
}

std::size_t Transfer::take_body(char* bytes, std::size_t, std::size_t size, void* self) noexcept {
  Transfer& transfer = *static_cast<Transfer*>(self);
  std::string& body = transfer.reply_->body;
  const bool refuses = transfer.reply_->status / 100 != 2;
  const std::size_t most = refuses ? refusal_max : transfer.reply_max_;
  const bool fits = size <= most - body.size();
  transfer.cut_ = !fits && refuses;
  transfer.too_large_ = !fits && !refuses;
  if (transfer.too_large_) return CURL_WRITEFUNC_ERROR;
  try {
    body.append(bytes, std::min(size, most - body.size()));
  } catch (const std::bad_alloc&) {
    return CURL_WRITEFUNC_ERROR;
  }
  return fits ? size : CURL_WRITEFUNC_ERROR;
}

// False: it is not going to be taken.
bool Transfer::make_room(std::string_view length) {
  std::size_t size = 0;
  const auto parsed = std::from_chars(length.data(), length.data() + length.size(), size);
  if (parsed.ec == std::errc::result_out_of_range) size = std::numeric_limits<std::size_t>::max();
  if (reply_->status / 100 != 2) return true;
  too_large_ = size > reply_max_;
  if (!too_large_) reply_->body.reserve(size);
  return !too_large_;
}

std::size_t Transfer::take_header(char* bytes, std::size_t, std::size_t size, void* self) noexcept {
  Transfer& transfer = *static_cast<Transfer*>(self);
  Reply& reply = *transfer.reply_;
  const std::string_view line(bytes, size);
  if (line.starts_with("HTTP/") && reply.body.empty()) {  // Else it is a trailer.
    const std::size_t status = std::min(line.find(' '), size - 1) + 1;
    reply.headers.clear();  // Of an interim reply.
    reply.status = 0;
    std::from_chars(bytes + status, bytes + size, reply.status);
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || reply.headers.size() >= headers_max) return size;
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && std::isspace(static_cast<unsigned char>(value.front()))) {
    value.remove_prefix(1);
  }
  while (!value.empty() && std::isspace(static_cast<unsigned char>(value.back()))) {
    value.remove_suffix(1);
  }
  try {
    sigv4::Field field{std::string(line.substr(0, colon)), std::string(value)};
    for (char& letter : field.name) {
      letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    }
    const bool taken = field.name != "content-length" || transfer.make_room(value);
    reply.headers.push_back(std::move(field));
    if (!taken) return CURL_WRITEFUNC_ERROR;
  } catch (const std::bad_alloc&) {
    return CURL_WRITEFUNC_ERROR;
  }
  return size;
}

Reply fetch(const Request& request) {
  start_curl();
  Reply reply;
  Transfer transfer;
  transfer.prepare(request, reply);
  transfer.finish(curl_easy_perform(transfer.easy()));
  return reply;
}

}  // namespace dcache::http
