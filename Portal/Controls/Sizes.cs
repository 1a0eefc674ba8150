using System.Globalization;
using Portal.Core.Catalog;
using Portal.Core.Quotas;
using Portal.Core.Workspaces;

namespace Portal.Controls;

/// <summary>Sizes as text.</summary>
public static class Sizes
{
    public static double Gib(int mib) => mib / 1024.0;

    /// <summary>Such as "2 vCPU · 4 GiB".</summary>
    public static string Describe(int vcpu, int memoryMib) => string.Create(CultureInfo.CurrentCulture, $"{vcpu} vCPU · {Gib(memoryMib):#,0.##} GiB");

    /// <summary>All nodes of a workspace together.</summary>
    public static string Describe(TemplateSpec template, string size, int workers) =>
        template.Amounts(size, workers) is var all ? Describe(all.Vcpu, all.MemoryMib) : "";

    public static string Describe(WorkspaceView workspace) => Describe(workspace.Template, workspace.Size.Id, workspace.Workers);

    /// <summary>An amount of one resource in the usual unit: GiB for memory and storage.</summary>
    public static double Shown(this Amounts amounts, Resource resource) => resource is Resource.Memory ? Gib(amounts.MemoryMib) : amounts.Of(resource);

    public static string Unit(Resource resource) => resource is Resource.Memory or Resource.Storage ? "GiB" : "";
}
