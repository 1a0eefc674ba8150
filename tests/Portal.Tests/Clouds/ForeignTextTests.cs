using System.Globalization;
using System.Text;
using CsCheck;
using Portal.Core.Clouds;
using Portal.Core.Foreign;
using Portal.Core.Workspaces;

namespace Portal.Tests.Clouds;

/// <summary>Foreign text, cleaned and truncated in one place.</summary>
public sealed class ForeignTextTests
{
    [Theory]
    [InlineData(null, "")]
    [InlineData("plain words, ünïcode 😀", "plain words, ünïcode 😀")]
    [InlineData("a\0b", "a\uFFFDb")]
    [InlineData("a\u0085b\u009bc\u007f", "a\uFFFDb\uFFFDc\uFFFD")]
    [InlineData("one\ntwo\u2028three", "one two three")]
    [InlineData("evil\u202egpj.exe\u2066x", "evil\uFFFDgpj.exe\uFFFDx")]
    [InlineData("\u001b[31mred\u001b[0m \u001b]0;title\u0007x\u001b]8;;http://x\u001b\\y\u001bMz\u001b", "red xyz\uFFFD")]
    public void Clean_WhatNoPageShouldShow_IsReplaced(string? text, string clean) => ForeignText.Clean(text).ShouldBe(clean);

    // Not as theory data: attributes are stored as UTF-8, which has no unpaired surrogates.
    [Fact]
    public void Clean_HalvesOfPairs_AreReplaced() => ForeignText.Clean("a\ud800b\udc00\ud800").ShouldBe("a\uFFFDb\uFFFD\uFFFD");

    [Theory]
    [InlineData(10, 10, "yyyyyyyyyy")]
    [InlineData(11, 10, "yyyyyyyyyy …")]
    [InlineData(1 << 20, 10, "yyyyyyyyyy …")]
    public void Clean_TooLong_IsCutWithAMark(int length, int longest, string clean) => ForeignText.Clean(new string('y', length), longest).ShouldBe(clean);

    [Fact]
    public void Clean_CutWithinAPair_KeepsNoHalf() => ForeignText.Clean("123456789😀", 10).ShouldBe("123456789 …");

    [Fact]
    public void Clean_Anything_IsTextThatARowTakes() => Gen.Char.Array[0, 200].Select(c => new string(c)).Sample(text =>
    {
        var clean = ForeignText.Clean(text, 100);
        Encoding.UTF8.GetString(new UTF8Encoding(false, throwOnInvalidBytes: true).GetBytes(clean)).ShouldBe(clean);
        clean.Length.ShouldBeLessThanOrEqualTo(102);
        clean.ShouldAllBe(c => c == '\t' || CharUnicodeInfo.GetUnicodeCategory(c) != UnicodeCategory.Control);
    });

    [Fact]
    public void Clean_SequencesWithoutEnd_AreReadOnce() =>
        ForeignText.Clean(string.Concat(Enumerable.Repeat("\u001b[", 1 << 20)), 100).Length.ShouldBeLessThanOrEqualTo(102);

    [Fact]
    public void Lines_OfBytesInPieces_AreWholeAndClean()
    {
        var lines = new LogLines();
        var bytes = Encoding.UTF8.GetBytes("äb\n\n" + new string('x', 100_000) + "\nlast");
        var all = bytes.SelectMany(b => lines.Add([b])).ToList();
        all.Concat(lines.End()).ShouldBe(["äb", new string('x', 2000) + " …", "last"]);
    }

    [Fact]
    public void Rows_ThatHoldTextOfOthers_CleanIt()
    {
        new LogLine { Text = "a\0" + new string('y', 5000) }.Text.Length.ShouldBe(4000);
        var fault = new CloudException("engine", CloudFault.Broken, "a\0b", "c\ud800");
        (fault.Message, fault.WhatToDo).ShouldBe(("engine: a\uFFFDb.", "c\uFFFD"));
    }
}
