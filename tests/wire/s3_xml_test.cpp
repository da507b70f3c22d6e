// SPDX-License-Identifier: MIT
#include "wire/s3_xml.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

using dcache::xml::delete_objects;
using dcache::xml::parts;
using dcache::xml::text_of;

TEST(Xml, HasTheTextOfAnElement) {
  const std::string error =
      R"(<?xml version="1.0"?><Error xmlns="x"><Code>SlowDown</Code><Message>a &lt;b&gt; &amp; )"
      R"(&quot;c&quot; &#39;&#x41;</Message><Empty/><CodeName>other</CodeName></Error>)";
  EXPECT_EQ(text_of(error, "Code"), "SlowDown");
  EXPECT_EQ(text_of(error, "Message"), "a <b> & \"c\" 'A");
  EXPECT_EQ(text_of(error, "Empty"), "");
  EXPECT_EQ(text_of(error, "Region"), std::nullopt);
}

TEST(Xml, IsNotBelievedWhenItIsTorn) {
  const std::string whole = "<Error><Code>A</Code><Message>&amp;</Message></Error>";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string torn = whole.substr(0, size);
    EXPECT_TRUE(text_of(torn, "Code").value_or("A") == "A") << torn;
    text_of(torn, "Message");
    parts(torn, "Error");
  }
  EXPECT_EQ(text_of("<Code>a&b</Code>", "Code"), "a&b");
  EXPECT_EQ(text_of("<Code>&unknown; &#xFFFF;</Code>", "Code"), "? ?");
}

TEST(Xml, HasTheElementsOfAName) {
  EXPECT_EQ(parts("<R><Error><Key>1</Key></Error><Error>2</Error></R>", "Error"),
            (std::vector<std::string_view>{"<Key>1</Key>", "2"}));
}

TEST(Xml, NamesTheKeysToDelete) {
  EXPECT_EQ(delete_objects({"a", "<&>"}),
            "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"
            "<Object><Key>a</Key></Object><Object><Key>&lt;&amp;&gt;</Key></Object></Delete>");
}

}  // namespace
