using CsCheck;
using Portal.Core.Workspaces;

namespace Portal.Tests;

public sealed class WorkspaceNameTests
{
    [Theory]
    [InlineData("notebook-3", true)]
    [InlineData("Übung 4", true)]
    [InlineData("x", true)]
    [InlineData("数据 1", true)]
    [InlineData("", false)]
    [InlineData(" x", false)]
    [InlineData("x ", false)]
    [InlineData("-x", false)]
    [InlineData("a/b", false)]
    [InlineData("a\nb", false)]
    [InlineData("a\n", false)]
    [InlineData("<b>", false)]
    [InlineData("../etc", false)]
    [InlineData("'; drop table runs; --", false)]
    [InlineData(null, false)]
    public void IsValid_Name_IsJudged(string? name, bool valid) => WorkspaceName.IsValid(name).ShouldBe(valid);

    [Fact]
    public void IsValid_FortyOneCharacters_IsTooLong()
    {
        WorkspaceName.IsValid(new string('a', 40)).ShouldBeTrue();
        WorkspaceName.IsValid(new string('a', 41)).ShouldBeFalse();
    }

    [Fact]
    public void IsValid_AnyText_NeverThrowsAndNeverLetsControlsThrough() =>
        Gen.String.Sample(s => { if (WorkspaceName.IsValid(s)) s.Any(char.IsControl).ShouldBeFalse(); });

    [Fact]
    public void NewSlug_Always_IsTenLowerCaseLettersOrDigits() =>
        Enumerable.Range(0, 500)
            .Select(_ => WorkspaceName.NewSlug())
            .ShouldAllBe(s => s.Length == 10 && char.IsAsciiLetterLower(s[0]) && s.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c)));
}
