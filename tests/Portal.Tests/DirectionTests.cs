using ArchUnitNET.Domain;
using ArchUnitNET.Fluent.Syntax.Elements.Types;
using ArchUnitNET.Loader;
using ArchUnitNET.xUnitV3;
using static ArchUnitNET.Fluent.ArchRuleDefinition;

namespace Portal.Tests;

/// <summary>The allowed dependencies between folders, read from the compiled assemblies.</summary>
public sealed class DirectionTests
{
    private static readonly System.Reflection.Assembly Web = typeof(Shell.App).Assembly, Core = typeof(Portal.Core.Data.PortalDb).Assembly,
        Jobs = typeof(Portal.Jobs.PortalJobsServices).Assembly;
    internal static readonly Architecture Built = new ArchLoader().LoadAssemblies(Web, Core, Jobs).Build();

    [Fact]
    public void Core_KnowsNeitherWebNorJobs() =>
        Types().That().ResideInAssembly(Core).Should().NotDependOnAny(Types().That().ResideInAssembly(Web).Or().ResideInAssembly(Jobs)).Check(Built);

    [Fact]
    public void WebAndJobs_DoNotKnowEachOther()
    {
        Types().That().ResideInAssembly(Web).Should().NotDependOnAny(Types().That().ResideInAssembly(Jobs)).Check(Built);
        Types().That().ResideInAssembly(Jobs).Should().NotDependOnAny(Types().That().ResideInAssembly(Web)).Check(Built);
    }

    [Fact]
    public void Web_KnowsNeitherHangfireNorEngine() =>
        Types()
            .That()
            .ResideInAssembly(Web)
            .Or()
            .ResideInAssembly(Core)
            .Should()
            .NotDependOnAny(Types(includeReferenced: true).That().ResideInNamespaceMatching(@"^(Hangfire|Docker\.DotNet)"))
            .Check(Built);

    [Fact]
    public void EngineTypes_StayInItsAdapter() =>
        Types()
            .That()
            .ResideInAssembly(Jobs)
            .And()
            .DoNotResideInNamespaceMatching(@"^Portal\.Jobs\.Clouds\.(Containers|Docker)")
            .And()
            .ResideInNamespaceMatching(@"^Portal\.")
            .Should().NotDependOnAny(Types(includeReferenced: true).That().ResideInNamespaceMatching(@"^Docker\.DotNet")).Check(Built);

    /// <summary>What works on any container engine knows neither this host nor a cloud of servers, and these do not know each other.</summary>
    [Theory]
    [InlineData("Containers", "Docker|OpenStack|LocalStorage|SpectrumScale")]
    [InlineData("OpenStack", "Docker|LocalStorage")]
    public void Adapter_DoesNotKnow(string one, string others) =>
        Types()
            .That()
            .ResideInNamespaceMatching($@"^Portal\.Jobs\.Clouds\.{one}($|\.)")
            .Should()
            .NotDependOnAny(Types().That().ResideInNamespaceMatching($@"^Portal\.Jobs\.Clouds\.({others})($|\.)"))
            .Check(Built);

    [Fact]
    public void Policy_IsArithmetic()
    {
        Policy()
            .Should()
            .NotDependOnAny(Types(includeReferenced: true)
                .That()
                .HaveFullNameMatching(
                    @"^System\.(IO\.|Net\.|Threading\.Tasks\.|TimeProvider$)|^Microsoft\.EntityFrameworkCore|^Npgsql|^Portal\.Core\.(Data|Clouds)"))
            .Check(Built);
        MethodMembers()
            .That()
            .AreDeclaredIn(Policy())
            .Should()
            .NotHaveAnyAttributes(typeof(System.Runtime.CompilerServices.AsyncStateMachineAttribute))
            .Check(Built);
    }

    // Created anew for each rule, because these objects keep state.
    private static GivenTypesConjunction Policy() => Types().That().ResideInNamespaceMatching(@"^Portal\.Core\.Policy");
}
