using System.Text;
using Portal.Jobs.Catalog;

namespace Portal.Tests;

public sealed class TemplateFileTests
{
    private static readonly string Shipped = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Catalog", "Templates", "notebook", "template.yaml"));

    [Fact]
    public void Read_ShippedNotebook_HasThreeSizesAndOneApp()
    {
        var (spec, fault) = Read(Shipped);
        fault.ShouldBeNull();
        spec!.Sizes.Select(s => s.Id).ShouldBe(["s", "m", "l"]);
        spec.Apps.Single().Kernels.ShouldBeTrue();
    }

    [Fact]
    public void Read_EveryShippedTemplate_HasNoFault()
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "Catalog", "Templates");
        var files = Directory.GetFiles(folder, "template.yaml", SearchOption.AllDirectories);
        files.Length.ShouldBe(5);
        foreach (var file in files)
        {
            var (spec, fault) = TemplateFile.Read(file, File.ReadAllBytes(file));
            fault.ShouldBeNull();
            spec!.Id.ShouldBe(Path.GetFileName(Path.GetDirectoryName(file)));
        }
    }

    [Theory]
    [InlineData("vcpu: 1\n", "vcpu: many\n", 10)]
    [InlineData("title: Notebook\n", "title: Notebook\nsurprise: 1\n", 3)]
    [InlineData("sizes:\n", "sizes: [\n", 7)]
    [InlineData("engine: JupyterLab\n", "engine: JupyterLab\nengine: Other\n", 5)]
    public void Read_MistakeInALine_NamesTheLine(string was, string becomes, long line)
    {
        var (spec, fault) = Read(Shipped.Replace(was, becomes, StringComparison.Ordinal));
        spec.ShouldBeNull();
        fault!.File.ShouldBe("notebook/template.yaml");
        fault.Line.ShouldBeInRange(line, line + 2);
        fault.Reason.ShouldNotBeEmpty();
    }

    [Theory]
    [InlineData("id: notebook", "id: ../notebook", "id")]
    [InlineData("vcpu: 1\n", "vcpu: 0\n", "sizes")]
    [InlineData("memoryMib: 1024", "memoryMib: 12", "sizes")]
    [InlineData("port: 8888", "port: 88888", "apps")]
    [InlineData("path: /lab", "path: lab", "apps")]
    [InlineData("role: notebook", "role: nobody", "apps")]
    [InlineData("id: m", "id: s", "same name")]
    public void Read_ValueOutOfRange_NamesTheField(string was, string becomes, string field)
    {
        var (spec, fault) = Read(Shipped.Replace(was, becomes, StringComparison.Ordinal));
        spec.ShouldBeNull();
        fault!.ToString().ShouldContain(field);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("a: &a [*a]")]
    [InlineData("id: ~")]
    [InlineData("sizes:")]
    [InlineData("sizes: [~]")]
    [InlineData("roles: [{name: a, image: b, command: ~}]")]
    [InlineData("\0\0")]
    public void Read_NoTemplateAtAll_IsAFaultAndNoException(string text) => Read(text).Fault.ShouldNotBeNull();

    [Fact]
    public void Read_Enormous_IsAFault() => Read(new string('#', 300 * 1024)).Fault!.Reason.ShouldContain("larger");

    private static (Core.Catalog.TemplateSpec? Spec, TemplateFault? Fault) Read(string text) => TemplateFile.Read("notebook/template.yaml", Encoding.UTF8.GetBytes(text));
}
