using Microsoft.Extensions.DependencyInjection;

namespace Portal.Core.Access;

public static class AccessVerbs
{
    /// <summary>Sessions, tickets and the demo's people. Wants <c>AddPortalData</c>.</summary>
    public static IServiceCollection AddAccessVerbs(this IServiceCollection services) => services
        .AddSingleton<BeginSession>().AddSingleton<EndSession>().AddSingleton<FindSession>().AddSingleton<DemoPeople>()
        .AddSingleton<FindApp>().AddSingleton<OpenApp>().AddSingleton<EnterApp>();
}
