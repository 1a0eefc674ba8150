using Microsoft.Extensions.DependencyInjection;

namespace Portal.Core.Access;

public static class AccessVerbs
{
    /// <summary>Sessions, tickets and the demo people. Requires <c>AddPortalData</c>.</summary>
    public static IServiceCollection AddAccessVerbs(this IServiceCollection services) => services
        .AddSingleton<BeginSession>().AddSingleton<EndSession>().AddSingleton<FindSession>().AddSingleton<DemoPeople>()
        .AddSingleton<FindApp>().AddSingleton<OpenApp>().AddSingleton<EnterApp>();
}
