namespace Portal.Jobs.Proofs;

public static class PortalProofs
{
    /// <summary>The check that decides Ready. Requires <c>Site:PublicUrl</c>, <c>Site:AppsDomain</c>
    /// and, if names do not resolve here, <c>Site:ConnectTo</c>.</summary>
    public static IServiceCollection AddPortalProofs(this IServiceCollection services, IConfiguration configuration) => services
        .AddSingleton(new PublicSite(configuration["Site:PublicUrl"],
            configuration["Site:AppsDomain"] ?? throw new InvalidOperationException("Site:AppsDomain is not set."), configuration["Site:ConnectTo"]))
        .AddSingleton<ProofTickets>().AddSingleton<INotebookProof, KernelProof>();
}
