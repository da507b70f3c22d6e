// SPDX-License-Identifier: MIT
/// The XML of S3 and STS: what is asked in it, and what of an answer is looked at. No general
/// parser: these documents have neither entities of their own nor CDATA. Pure.
/// Source: the Amazon S3 API reference, `DeleteObjects` and "Error responses".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dcache::xml {

/// The text of the first element of this name, references undone; none if it is not there. A name
/// with a prefix (`sts:Credentials`) is another one.
std::optional<std::string> text_of(std::string_view document, std::string_view element);

/// What is between the tags of each element of this name.
std::vector<std::string_view> parts(std::string_view document, std::string_view element);

/// With references for what is markup.
std::string escaped(std::string_view text);

/// The body of `DeleteObjects`, at most 1,000 keys; it answers with those that failed only.
std::string delete_objects(const std::vector<std::string>& keys);

}  // namespace dcache::xml
